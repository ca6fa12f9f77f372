"""Many runs at a glance: reading a directory of them, what each row says, filtering and sorting. Knows no Textual."""
