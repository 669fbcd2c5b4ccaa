"""What a look at recorded play finds, and how it is told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

UNUSABLE, DECISION, NOTE = "unusable", "decision", "note"
SEVERITIES = (UNUSABLE, DECISION, NOTE)  # in order of weight


@dataclass(frozen=True)
class Finding:
    """One thing to know before a fit.

    Attributes:
        kind: a word to test for, such as `exchanged_columns`.
        severity: `unusable` (no fit makes sense), `decision` (a fit runs, but someone should decide first), `note`.
        message: one line, what is the matter, with its numbers.
        remedy: one line, what to do about it.
        option: of `diml fit`, which does it; empty where none does.
    """

    kind: str
    severity: str
    message: str
    remedy: str
    option: str = ""

    def __str__(self) -> str:
        option = f" ({self.option})" if self.option else ""
        return f"{self.severity}: {self.message}. {self.remedy}{option}"


@dataclass(frozen=True)
class Inspection:
    """What was read, and what was found in it, in order of weight.

    Attributes:
        read: numbers of episodes and rounds, and for each agent its actions, decisions and missing ones.
        findings: the findings.
        given: agents whose moves are the same in all episodes whatever others did: scripts, not choices to explain.
    """

    read: Mapping[str, Any]
    findings: tuple[Finding, ...]
    given: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: nothing to decide; 1: something to decide first; 2: unusable."""
        severities = {finding.severity for finding in self.findings}
        return 2 if UNUSABLE in severities else int(DECISION in severities)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each finding."""
        return tuple(finding.kind for finding in self.findings)

    def to_json(self) -> str:
        """An object with `read`, `findings` (of objects with the attributes of `Finding`), `given` and `exit_code`."""
        facts = {"read": self.read, "findings": [asdict(finding) for finding in self.findings]}
        return json.dumps(facts | {"given": self.given, "exit_code": self.exit_code}, indent=2)

    def __str__(self) -> str:
        return "\n".join([*read_in_words(self.read), *map(str, self.findings or ["nothing to decide"])])


def in_order_of_weight(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sorted by severity; findings of one severity stay in turn."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def read_in_words(read: Mapping[str, Any]) -> list[str]:
    """What was read, a line for the whole and one for each of the first agents."""
    if not read:
        return []
    shortest, longest = read["shortest"], read["longest"]
    rounds = f"{shortest} to {longest} rounds" if shortest < longest else _number(longest, "round")
    people = f", {_number(read['persons'], 'person')}" if read.get("persons") else ""
    lines = [f"{_number(read['episodes'], 'episode')} of {rounds}, {_number(len(read['agents']), 'agent')}{people}"]
    for name, own in list(read["agents"].items())[:_MOST_AGENTS]:
        played = ", ".join(f"{label} {times}" for label, times in list(own["actions"].items())[:_MOST_ACTIONS])
        more = f" and {len(own['actions']) - _MOST_ACTIONS} more" if len(own["actions"]) > _MOST_ACTIONS else ""
        missing = f"; {own['missing']} missing" if own["missing"] else ""
        lines.append(f"  {name}{' (given)' if own.get('given') else ''}: {played}{more}{missing}")
    if len(read["agents"]) > _MOST_AGENTS:
        lines.append(f"  and {len(read['agents']) - _MOST_AGENTS} more agents")
    return lines


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def few(names: Iterable[Any], most: int = 5) -> str:
    """The first names in quotes, and how many more there are."""
    named = [repr(name) for name in names]
    more = f" and {len(named) - most} more" if len(named) > most else ""
    return ", ".join(named[:most]) + more


_MOST_AGENTS, _MOST_ACTIONS = 8, 8
