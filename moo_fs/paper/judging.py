"""What the paper says of how far scores can be believed."""

from __future__ import annotations

import pandas as pd

from moo_fs.numerals import correlation
from moo_fs.paper.numbers import listed, macro_name
from moo_fs.tables.rendering import escape
from moo_fs.trust import DEPTHS, MOVED
from moo_fs.trust_archive import Trust
from moo_fs.trust_report import LEADERS, MEASURE


def trust_macros(name: str, trust: Trust) -> dict[str, str]:
    """Sizes, who foretells damage best in each setting, where mutual information stands, which measures move."""
    images = trust.about["images"]
    found = {
        "HasTrust": "",
        "TrustArchive": escape(name),
        "TrustMeasures": str(len(trust.measures)),
        "TrustScoredImages": str(images["scored"]),
        "TrustTestImages": str(images["test"]),
        "TrustMoving": _listed(_names(trust, trust.judged["moved"] > MOVED)),
        "TrustChance": _listed(trust.always_by_chance),
    }
    for setting in DEPTHS:
        rows, means = trust.agreements[trust.agreements["setting"] == setting], trust.means(setting)
        leaders = ", ".join(f"{escape(str(one))} ({_rho(rho)})" for one, rho in means.head(LEADERS).items())
        found[macro_name("Trust", "Leaders", setting)] = leaders
        if MEASURE in means.index:
            mine = rows[rows["measure"] == MEASURE].to_dict("records")
            found[macro_name("Trust", "Place", setting)] = str(list(means.index).index(MEASURE) + 1)
            found[macro_name("Trust", "Information", setting)] = "; ".join(
                f"{escape(str(row['task']))} {_rho(row['spearman'])} "
                f"({_rho(row['spearman_low'])} to {_rho(row['spearman_high'])})"
                for row in mine
            )
    return found


def _names(trust: Trust, which: pd.Series) -> list[str]:
    return [str(name) for name in dict.fromkeys(trust.judged.loc[which, "measure"])]


def _listed(names: list[str]) -> str:
    return listed(names) if names else "none"


def _rho(value: float) -> str:
    return correlation(value).replace("−", "$-$")
