"""The command line of `traind`: what each verb takes, and which module does it. Never imports torch.

Exit codes: 0 done or applied, 1 the run failed, 2 a mistake in the command or configuration, 3 order refused,
4 no answer, 5 the run was stopped by order, 130 interrupted.
"""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rundir.control import SETTABLE, Verb
from rundir.layout import LATEST, RunNotFoundError
from rundir.secret import redact
from traind import exit_code
from traind.config import ConfigError
from traind.export import FORMATS
from traind.lock import RunBusyError

ORDER_VERBS = {
    "resume": "go on: after a pause at once, else from the newest checkpoint",
    "pause": "hold at the next safe point; memory is kept",
    "park": "checkpoint and let the trainer leave: the GPU is free, `resume` goes on exactly",
    "stop": "checkpoint, then end the run",
    "kill": "end the run at once, without a checkpoint",
    "checkpoint": "save now, and keep it for good",
    "eval": "evaluate now; the course of training does not change",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of `traind`. Returns the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        if given[:1] == ["predict"]:  # argparse's verbs take no TEXT after an option: that process parses by itself
            from traind.command_predict import predict

            predict(given[1:])
        args = _parser().parse_args(given)
        return int(args.act(args, ["traind", *given]))
    except (ConfigError, RunNotFoundError, RunBusyError) as error:
        print(f"traind: {redact(str(error), os.environ)}", file=sys.stderr)
        return exit_code.MISTAKE
    except BrokenPipeError:  # `traind list | head`
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return exit_code.INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="traind",
        description="Train in a daemon that outlives the terminal, and steer it.",
        epilog="Exit codes: 0 done or applied, 1 the run failed, 2 a mistake in command, configuration or data, "
        "3 order refused, 4 no answer, 5 the run was stopped by order, 130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {importlib.metadata.version('trainwatch')}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    runs_dir = argparse.ArgumentParser(add_help=False)
    runs_dir.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where runs live (default: runs)")

    start = verbs.add_parser("start", parents=[runs_dir], help="start a run and return when it trains")
    start.add_argument("config", type=Path, help="a TOML file, e.g. configs/ner.toml")
    start.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. --set train.lr=1e-5")
    start.add_argument("--name", help="goes into the run's directory name")
    start.add_argument("--resume", choices=["auto"], help="continue the newest unfinished run of this configuration")
    start.add_argument(
        "--watch", action="store_true", help="then open the dashboard; a line per step without a terminal"
    )
    start.add_argument("--foreground", action="store_true", help="supervise in this process; end with the run's result")
    start.add_argument("--no-check", action="store_true", help="start though the data look wrong (see check)")
    start.set_defaults(act=_start)

    check = verbs.add_parser("check", parents=[runs_dir], help="find out in seconds what would ruin hours")
    check.add_argument("config", type=Path, help="a TOML file, e.g. configs/ner.toml")
    check.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. --set train.lr=1e-5")
    check.add_argument("--json", action="store_true")
    check.set_defaults(act=_check)

    _add_orders(verbs, runs_dir)
    listing = verbs.add_parser("list", parents=[runs_dir], help="all runs, newest first")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(act=_list)
    status = _run_verb(verbs, "status", "how a run is", runs_dir)
    status.add_argument("--json", action="store_true")
    status.set_defaults(act=_status)
    logs = _run_verb(verbs, "logs", "what the trainer's libraries printed", runs_dir)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    logs.set_defaults(act=_logs)
    doctor = verbs.add_parser(
        "doctor", parents=[runs_dir], help="how fit this machine is: GPUs and who holds them, room, …"
    )
    doctor.add_argument("--json", action="store_true")
    doctor.set_defaults(act=_doctor)
    export = _run_verb(verbs, "export", "write a run, live or finished, for other programs and people", runs_dir)
    export.add_argument("--to", required=True, choices=FORMATS, help="; ".join(f"{k}: {v}" for k, v in FORMATS.items()))
    export.add_argument("--out", type=Path, metavar="PATH", help="default: RUN-csv/, RUN.html, …; - prints a text")
    export.set_defaults(act=_export)
    diagnose = _run_verb(
        verbs, "diagnose", "what the alert rules say of a recorded run, and when they said it", runs_dir
    )
    diagnose.add_argument("--json", action="store_true", help="one object an alert")
    diagnose.add_argument("--at", type=int, metavar="STEP", help="as it was when that step had been recorded")
    diagnose.set_defaults(act=_diagnose)
    notify_test = verbs.add_parser(
        "notify-test", parents=[runs_dir], help="send a test message to all that [notify] names"
    )
    notify_test.add_argument("config", help="a TOML file, or a run (a path or id)")
    notify_test.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of a TOML file")
    notify_test.set_defaults(act=_notify_test)
    join = _run_verb(verbs, "join", "take part in a run of several hosts, from one that has not started it", runs_dir)
    join.add_argument("--node-rank", type=int, required=True, metavar="N", help="which host this is, from 1")
    join.set_defaults(act=_join)
    verbs.add_parser("predict", add_help=False, help="try a trained model on texts of yours (predict --help)")
    wait = _run_verb(verbs, "wait", "return when the run has ended, with its result", runs_dir)
    wait.set_defaults(act=_wait)
    return parser


def _add_orders(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", runs_dir: argparse.ArgumentParser
) -> None:
    for verb, text in ORDER_VERBS.items():
        order = _run_verb(verbs, verb, text, runs_dir)
        order.set_defaults(act=_order, verb=verb)
        if verb == "resume":
            order.set_defaults(act=_resume)
            order.add_argument("--all", action="store_true", help="after a reboot: every run that was going on")
    turn = _run_verb(verbs, "set", "turn a dial of a run: " + ", ".join(SETTABLE), runs_dir, optional=False)
    turn.add_argument("values", nargs="+", metavar="KEY=VALUE", help="e.g. lr=1e-5; replan=true stretches the schedule")
    turn.set_defaults(act=_order, verb="set")
    back = _run_verb(verbs, "rollback", "go back to a checkpoint; what came after it is put aside", runs_dir)
    back.add_argument("--step", type=int, help="of the checkpoint (default: the newest whole one)")
    back.add_argument("--lr-factor", type=float, metavar="F", help="multiplies the learning rate, e.g. 0.5")
    back.set_defaults(act=_rollback)
    keep = _run_verb(verbs, "keep", "keep a checkpoint for good, whatever is pruned", runs_dir)
    keep.add_argument("--step", type=int, required=True, help="of the checkpoint")
    keep.add_argument("--no-more", action="store_true", help="take the mark away again")
    keep.set_defaults(act=_keep)
    discard = _run_verb(
        verbs, "discard", "remove a checkpoint for good; never the last, the best or the newest", runs_dir
    )
    discard.add_argument("--step", type=int, required=True, help="of the checkpoint")
    discard.set_defaults(act=_discard)
    note = _run_verb(verbs, "note", "write a remark into the run's events", runs_dir, optional=False)
    note.add_argument("text", nargs="+")
    note.set_defaults(act=_order, verb="note")


def _run_verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    runs_dir: argparse.ArgumentParser,
    *,
    optional: bool = True,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, parents=[runs_dir], help=text, description=text)
    if optional:
        parser.add_argument("run", nargs="?", default=LATEST, help="a path or id (default: latest)")
    else:
        parser.add_argument("run", help="a path or id, e.g. latest")
    return parser


def _start(args: argparse.Namespace, argv: list[str]) -> int:
    from traind.command_start import start

    return start(
        args.config,
        args.set,
        args.runs_dir,
        argv,
        resume_auto=args.resume == "auto",
        watch=args.watch,
        foreground=args.foreground,
        name=args.name,
        look_first=not args.no_check,
    )


def _check(args: argparse.Namespace, argv: list[str]) -> int:  # noqa: ARG001
    from traind.command_check import check

    return check(args.config, args.set, args.runs_dir, as_json=args.json)


def _order(args: argparse.Namespace, argv: list[str]) -> int:
    from traind.command_order import order, read_args

    words = getattr(args, "values", None) or getattr(args, "text", [])
    return order(args.run, args.runs_dir, Verb(args.verb), read_args(Verb(args.verb), words), argv)


def _rollback(args: argparse.Namespace, argv: list[str]) -> int:
    from traind.command_order import order

    given = {"step": args.step, "lr_factor": args.lr_factor}
    values = {key: value for key, value in given.items() if value is not None}
    return order(args.run, args.runs_dir, Verb.ROLLBACK, values, argv)


def _keep(args: argparse.Namespace, argv: list[str]) -> int:
    from traind.command_order import order

    values = {"step": args.step} | ({"kept": False} if args.no_more else {})
    return order(args.run, args.runs_dir, Verb.KEEP, values, argv)


def _discard(args: argparse.Namespace, argv: list[str]) -> int:
    from traind.command_order import order

    return order(args.run, args.runs_dir, Verb.DISCARD, {"step": args.step}, argv)


def _resume(args: argparse.Namespace, argv: list[str]) -> int:
    if not args.all:
        return _order(args, argv)
    from traind.command_resume_all import resume_all

    if args.run != LATEST:
        raise ConfigError(f"resume {args.run} --all: give a run or --all; --runs-dir says where to look")
    return resume_all(args.runs_dir, argv)


def _list(args: argparse.Namespace, argv: list[str]) -> int:  # noqa: ARG001
    from traind.command_show import list_runs

    return list_runs(args.runs_dir, as_json=args.json)


def _status(args: argparse.Namespace, argv: list[str]) -> int:  # noqa: ARG001
    from traind.command_show import show_status

    return show_status(args.run, args.runs_dir, as_json=args.json)


def _logs(args: argparse.Namespace, argv: list[str]) -> int:  # noqa: ARG001
    from traind.command_show import show_logs

    return show_logs(args.run, args.runs_dir, follow=args.follow)


def _doctor(args: argparse.Namespace, argv: list[str]) -> int:  # noqa: ARG001
    from traind.command_doctor import doctor

    return doctor(args.runs_dir, as_json=args.json)


def _export(args: argparse.Namespace, argv: list[str]) -> int:  # noqa: ARG001
    from traind.command_export import export

    return export(args.run, args.runs_dir, args.to, args.out)


def _diagnose(args: argparse.Namespace, argv: list[str]) -> int:  # noqa: ARG001
    from traind.command_diagnose import diagnose

    return diagnose(args.run, args.runs_dir, as_json=args.json, at_step=args.at)


def _notify_test(args: argparse.Namespace, argv: list[str]) -> int:  # noqa: ARG001
    from traind.command_notify import notify_test

    return notify_test(args.config, args.set, args.runs_dir)


def _join(args: argparse.Namespace, argv: list[str]) -> int:  # noqa: ARG001
    from traind.command_join import join

    return join(args.run, args.runs_dir, args.node_rank)


def _wait(args: argparse.Namespace, argv: list[str]) -> int:  # noqa: ARG001
    from traind.command_show import wait

    return wait(args.run, args.runs_dir)


if __name__ == "__main__":
    sys.exit(main())
