"""Reading metrics.jsonl where it is long: by several processes at first, from an index of decoded columns later."""
