"""The sentences of the generated corpus: words for slots, templates with a marked span, and templates without one.

`[...]` marks a span, `{name}` a slot. Cues and decoys share their words on purpose: a word list cannot tell them apart.
"""

SLOTS: dict[str, tuple[str, ...]] = {
    "person": ("{first} {last}",),
    "first": (
        *("Ada", "Tom", "Ines", "Victor", "Nora", "Paul", "Marta", "George", "Hana", "Samir", "Clara", "Luis"),
        *("Edith", "Owen", "Rosa", "Peter", "Julia", "Karim", "Helen", "Bruno", "Dana", "Felix", "Irene", "Leo"),
    ),
    "last": (
        *("Brandt", "Keller", "Morau", "Hale", "Lindqvist", "Odede", "Silva", "Whitlow", "Petrova", "Azad"),
        *("Neumann", "Ortega", "Crane", "Price", "Delgado", "Vance", "Stern", "Haddad", "Marsh", "Falk"),
        *("Whitfield", "Tanaka", "Rowe", "Sandoval"),
    ),
    "office": ("mayor", "senator", "minister", "governor", "chancellor", "deputy", "commissioner", "secretary"),
    "place": (
        *("Northvale", "Lakemont", "Harrow Bay", "Eastfield", "Port Selim", "Greenmoor", "Stonebridge", "Ravensford"),
        *("Altmark", "Silverton", "Westhaven", "Old Mill"),
    ),
    "group": ("the {folk}", "the {trait} {folk}"),
    "folk": (
        *("unions", "bankers", "newcomers", "farmers", "lobbyists", "reformers", "journalists", "landlords"),
        *("students", "inspectors", "planners", "teachers"),
    ),
    "trait": ("young", "old", "northern", "local", "retired", "foreign", "rural", "striking", "urban", "unpaid"),
    "topic": ("the {field} {measure}", "the new {field} {measure}"),
    "field": (
        *("harbour", "railway", "water", "school", "border", "energy", "housing", "trade", "hospital", "police"),
        *("pension", "river"),
    ),
    "measure": ("tax", "plan", "budget", "law", "bill", "act", "deal", "merger", "reform", "vote"),
    "land": ("our nation", "this country", "our homeland", "our republic", "this great land", "our people"),
    "harsh": (
        *("shameful", "disgraceful", "vicious", "rotten", "monstrous", "sickening", "ruthless", "treacherous"),
        *("poisonous", "barbaric", "corrupt", "cowardly"),
    ),
    "deed": (
        *("betrayal", "assault", "fraud", "swindle", "massacre", "plot", "scandal", "attack", "charade", "cover-up"),
        *("robbery", "witch-hunt"),
    ),
    "insult": (
        *("puppet", "traitor", "clown", "coward", "parasite", "liar", "tyrant", "crook", "fanatic", "snake"),
        *("charlatan", "weasel"),
    ),
    "calamity": (
        *("chaos", "ruin", "bloodshed", "famine", "civil war", "crime", "disease", "poverty", "blackouts", "terror"),
    ),
    "huge": ("biggest", "worst", "greatest", "most dangerous", "most brilliant", "most hopeless"),
    "expert": (
        *("doctor", "general", "professor", "bishop", "scientist", "judge", "economist", "engineer", "historian"),
    ),
    "villain": ("Hitler", "Stalin", "the Nazis", "the old dictators", "the fascists", "the inquisitors"),
    "virtue": ("freedom", "honour", "unity", "faith", "courage", "order", "justice", "pride"),
    "verb": ("back", "reject", "defend", "fear", "support", "oppose", "pay for", "vote for"),
    "number": ("three", "seven", "twelve", "forty", "ninety", "two hundred"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
    "crime": ("the {flaw} {loss}",),
    "flaw": ("missing", "broken", "empty", "lost", "hidden", "stolen"),
    "loss": ("millions", "promises", "stores", "ships", "debts", "files"),
}
"""What a slot may hold; a value may have slots of its own."""

CLAIMS: tuple[str, ...] = (
    "we cannot afford {topic}",
    "{group} have had enough",
    "{place} will not be sold",
    "nobody asked us about {topic}",
    "{topic} must be stopped",
)
"""Sentences that a speaker may say once, or again and again."""

CUES: dict[str, tuple[str, ...]] = {
    "Appeal_to_Authority": (
        "[Every {expert} in {place} agrees that {topic} is right], so there is nothing left to discuss.",
        "It must be true, because [the famous {expert} {person} says so].",
        "[A leading {expert} has blessed {topic}], and that settles the question.",
        "As for {topic}, [no less a {expert} than {person} stands behind it].",
    ),
    "Appeal_to_fear-prejudice": (
        "[If {topic} passes, {calamity} and {calamity} will come to {place}].",
        "[Soon {group} will bring {calamity} to every street], warned {person}.",
        "Give in now, and [your children will live with {calamity}].",
        "[Let {group} win and there will be {calamity} in {place}], the pamphlet said.",
    ),
    "Bandwagon,Reductio_ad_hitlerum": (
        "[Everyone in {place} already stands with {group}], so why wait?",
        "[Millions have joined {group}], and you should too.",
        "Remember that [{villain} also wanted {topic}].",
        "[{topic} is exactly what {villain} would have done], said {person}.",
    ),
    "Black-and-White_Fallacy": (
        "[Either we {verb} {topic} or we lose {land}].",
        "[You are with {group} or you are against {land}], {person} told the crowd.",
        "[There are only two choices: {topic} or {calamity}].",
        "The choice is plain: [{virtue} or {calamity}, and nothing in between].",
    ),
    "Causal_Oversimplification": (
        "[The only reason for {calamity} in {place} is {topic}].",
        "[{calamity} came because of {group}], and of nothing else.",
        "[{topic} alone has caused the {calamity}], {person} wrote.",
        "Ask why there is {calamity}: [it is all the fault of {group}].",
    ),
    "Doubt": (
        "[Can we really trust {person} with {topic}?]",
        "[Is {group} even able to govern {place}?] one reader asked.",
        "But [does the {office} know what {topic} means?]",
        "[Who believes a word of what {group} say about {topic}?]",
    ),
    "Exaggeration,Minimisation": (
        "It is [the {huge} {deed} in the history of {place}].",
        "{person} called it [the {huge} {office} who ever lived].",
        "What happened to {group} was [just a tiny {deed}, hardly worth a word].",
        "[A thousand times worse than any {deed}] is what {group} saw in {place}.",
    ),
    "Flag-Waving": (
        "[For the {virtue} of {land}, we must {verb} {topic}].",
        "[True sons of {land} will {verb} {topic}], {person} cried.",
        "We do it because [{land} has always stood for {virtue}].",
        "[{virtue} and {land} come first], said the {office}.",
    ),
    "Loaded_Language": (
        "{group} condemned the [{harsh} {deed}] in {place}.",
        "{topic} is a [{harsh}, {harsh} {deed}] by any measure.",
        "After this [{harsh} {deed}], {person} left {place}.",
        "{person} defended the [{harsh}] record of {group} on {topic}.",
    ),
    "Name_Calling,Labeling": (
        "{person}, [that {harsh} {insult}], came to {place} on {day}.",
        "The crowd met [{insult} {person}] at the station.",
        "Do not listen to {group}, [a gang of {harsh} {insult}s].",
        "The {office} is [nothing but a {insult}] in the eyes of {group}.",
    ),
    "Repetition": (
        "{claim}, he cried; [{claim}].",
        "{claim}. Again: [{claim}].",
        "First the speaker said that {claim}, then again [{claim}].",
        "{claim}. [{claim}], and [{claim}].",
    ),
    "Slogans": (
        "[{virtue} first, {virtue} always!]",
        "The banner read: [{virtue}, {virtue}, {land}!]",
        "[Take {place} back!] they chanted.",
        "[No {calamity}, more {virtue}!] was painted on the wall.",
    ),
    "Thought-terminating_Cliches": (
        "What can one do; [it is what it is].",
        "[That is just how {group} are], {person} shrugged.",
        "[The people of {place} have always known it], and that is that.",
        "As for {topic}, [what will be will be].",
    ),
    "Whataboutism,Straw_Men,Red_Herring": (
        "[And what about {crime} of {group}?]",
        "Before they speak of {topic}, [they should explain {crime} in {place}].",
        "[So {person} wants {calamity} for all of us], answered the {office}.",
        "They talk of {topic}, [but never of {crime}].",
    ),
}
"""Sentences with a technique, by technique."""

TECHNIQUES: tuple[str, ...] = tuple(CUES)

DECOYS: tuple[str, ...] = (
    "The {expert} {person} spoke about {topic} in {place} on {day}.",
    "Every {expert} in {place} was asked about {topic}; {number} answered.",
    "A leading {expert} has read {topic} and has questions.",
    "If {topic} passes, {number} clerks will move to {place}.",
    "The museum of {calamity} in {place} opens on {day}.",
    "A novel named The {harsh} {deed} sold {number} copies in {place}.",
    "The film The {insult} is shown in {place} on {day}.",
    "The word {insult} was removed from the record on {day}.",
    "The word {harsh} appears {number} times in the report on {topic}.",
    "The court heard {number} cases of fraud and {deed} in {place}.",
    "Everyone in {place} was counted on {day}, {group} too.",
    "{number} members have joined {group} since {day}.",
    "A book on {villain} was discussed by {group} on {day}.",
    "Either {person} or {person} will report on {topic} on {day}.",
    "There are two choices on the form, and {group} may tick both.",
    "The reasons for {calamity} in {place} are many, the {expert} found.",
    "Among the causes of {calamity}, the report names {topic} and {crime}.",
    "Can we take the train to {place} on {day}?",
    "Who speaks for {group} on {topic}?",
    "Is {person} in {place} on {day}?",
    "It was the {huge} storm in the history of {place}, the {expert} measured.",
    "A tiny boat brought {person} to {place}.",
    "The flag of {land} was sold for {number} crowns.",
    "Courses on {virtue} and {virtue} start on {day}.",
    "{claim}, he said once, and sat down.",
    "{person} was told that {claim}.",
    "They were asked about {crime} of {group}, and answered.",
    "The {office} should explain {topic} to {group} on {day}.",
    "People of {place} have always known {person}.",
    "Take {place} road back to the station.",
)
"""Sentences with the words of a technique, without one."""

FILLERS: tuple[str, ...] = (
    "{person} arrived in {place} on {day} for talks about {topic}.",
    "The {office} met {group} in {place} and listened for {number} hours.",
    "A vote on {topic} is planned for {day}.",
    "The council of {place} published {number} pages on {topic}.",
    "{group} and {group} sat at one table on {day}.",
    "According to {person}, talks about {topic} will go on.",
    "The bridge in {place} is closed until {day}.",
    "{person} was elected {office} of {place} with {number} votes more.",
    "The paper of {place} printed a letter by {person}.",
    "Rain is expected in {place} from {day}.",
    "The {office} thanked {group} for their work on {topic}.",
    "{number} people came to the hall in {place}.",
    "The accounts of {place} show {number} small changes.",
    "Copies of {topic} can be read in the library of {place}.",
    "{person} and {person} will speak next, on {day}.",
    "Nothing was decided about {topic}.",
)
"""Plain sentences."""
