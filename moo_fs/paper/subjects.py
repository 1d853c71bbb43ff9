"""What the paper says of a subject: its size, whether it is worth searching, how far its tasks agree."""

from __future__ import annotations

from moo_fs.paper.numbers import known, listed
from moo_fs.results import Results
from moo_fs.tables.rendering import escape, number, percent
from moo_fs.worth import CORRELATION, EACH, MEAN, at_half_rate, sensitivity_correlations


def subject_macros(results: Results) -> dict[str, str]:
    """What the section on subjects says: sizes, what an allocation gains at half a rate, how far tasks agree."""
    study = results.study
    found = {
        "HasSubjects": "",
        "SubjectArchive": escape(str(study["name"])),
        "SubjectChannels": known(study.get("channels")),
        "SubjectTestImages": known(study.get("test_images")),
        "SubjectTasks": listed(results.tasks),
        "UniformOneRate": number(float(results.corner[0])),
        "WantedCorrelation": number(CORRELATION, 1),
    }
    return found | _worth(results) | _correlations(results)


def _worth(results: Results) -> dict[str, str]:
    worth = at_half_rate(results)
    if worth is None:
        return {}
    shares = [escape(f"{percent(ratio)} ({task})") for task, ratio in zip(worth.tasks, worth.ratios, strict=True)]
    return {
        "HasWorth": "",
        "HalfRate": number(worth.rate),
        "WorthShares": ", ".join(shares),
        "WorthMean": escape(percent(worth.mean)),
        "WantedEach": escape(percent(EACH)),
        "WantedMean": escape(percent(MEAN)),
        "WorthVerdict": "holds" if worth.holds else "does not hold",
    }


def _correlations(results: Results) -> dict[str, str]:
    frame = sensitivity_correlations(results)
    if frame.empty:
        return {}
    shown = [
        f"{number(row['median'], 2)} for {escape(row['task'])} and {escape(row['other'])} "
        f"({number(row['lowest'], 2)} to {number(row['highest'], 2)} over blocks)"
        for row in frame.to_dict("records")
    ]
    below = int((frame["highest"] < CORRELATION).sum())
    return {
        "HasCorrelations": "",
        "Correlations": "; ".join(shown),
        "CorrelationsBelow": str(below),
        "CorrelationPairs": str(len(frame)),
    }
