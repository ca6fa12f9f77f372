"""A corpus of trained runs with labels from their outcomes, and the report that judges the alert rules on it.

python -m bench.alerts.make --seed 1      trains every run of the corpus and writes it to runs/alerts-corpus/
python -m bench.alerts.report --part dev  holds the rules against it
"""
