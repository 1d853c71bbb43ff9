"""The command line: `moo-fs COMMAND`, also `python -m moo_fs`.

Exit status: 0 done; 2 the input is wrong (one sentence on stderr, nothing written); 3 nothing meets the bounds; 1 a
failure while running; 130 interrupted, everything evaluated so far kept.
"""

from __future__ import annotations

import re
import sys
import traceback

import typer
from typer.exceptions import TyperException

from moo_fs.cli import benches, comparisons, papers, prunes, scores, streams, studies, subjects
from moo_fs.cli.console import INTERRUPTED
from moo_fs.contracts import BoundsError, MooFsError

app = typer.Typer(
    name="moo-fs",
    help="Multi-objective search of per-channel bit allocations for split multi-task networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
subjects.add_to(app)
scores.add_to(app)
studies.add_to(app)
comparisons.add_to(app)
prunes.add_to(app)
papers.add_to(app)
streams.add_to(app)
benches.add_to(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the status that the module's docstring tells."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    sys.exit(status_of(words, debug=debug))


def status_of(words: list[str], *, debug: bool = False) -> int:
    """The exit status of one command; errors are told on stderr in one sentence, with a traceback if `debug`."""
    try:
        result = app(args=words, prog_name="moo-fs", standalone_mode=False)
        status = result if isinstance(result, int) else 0
    except typer.Exit as stop:
        status = stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except TyperException as error:
        message = error.format_message()  # empty where the help was shown instead
        return _told(_with_value(message, words), 2) if message else 2
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, BoundsError):
            return _told(str(error), 3)
        if isinstance(error, MooFsError):
            return _told(str(error), 2)
        return _told(f"{type(error).__name__}: {error} (--debug shows where)", 1)
    # Typer turns Ctrl-C into a status of its own, so the sentence is told here for both ways.
    if status == INTERRUPTED:
        return _told("interrupted; everything evaluated so far is kept, the same command resumes", INTERRUPTED)
    return status


def _with_value(message: str, words: list[str]) -> str:
    """The parser's message, and the word that it refused where it names the option only."""
    named = re.search(r"'(--[a-z-]+)'", message)
    at = words.index(named[1]) + 1 if named and named[1] in words else len(words)
    return f"{message}, got '{words[at]}'" if at < len(words) and words[at] not in message else message


def _told(sentence: str, status: int) -> int:
    sys.stderr.write(f"moo-fs: {' '.join(sentence.split())}\n")
    return status
