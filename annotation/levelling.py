"""Loads made even: things are handed on from those who have more to those who have less, and none without need."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array


class Balance:
    """How many too many of each model, or of each task, everybody has seen, for what they have seen in all.

    Args:
        name_of: thing → model (task).
    """

    def __init__(self, name_of: Mapping[str, str], n_people: int) -> None:
        counts = Counter(name_of.values())
        row = {name: number for number, name in enumerate(sorted(counts))}
        self._row_of = {thing: row[name] for thing, name in name_of.items()}
        self._share = np.array([counts[name] / len(name_of) for name in row])
        self._seen = np.zeros((len(row), n_people))
        self._all = np.zeros(n_people)

    def add(self, thing: str, people: Sequence[int] | np.ndarray, number: int = 1) -> None:
        """Different people have one more, or one fewer."""
        self._seen[self._row_of[thing], people] += number
        self._all[people] += number

    def too_many(self, thing: str) -> np.ndarray:
        """For each person, of what this thing is."""
        row = self._row_of[thing]
        return self._seen[row] - self._share[row] * self._all

    def rows(self, things: Sequence[str]) -> np.ndarray:
        """The numbers of what these things are, for `of_person`."""
        return np.array([self._row_of[thing] for thing in things], np.intp)

    def of_person(self, rows: np.ndarray, person: int) -> np.ndarray:
        """For one person, of each of these."""
        return np.asarray((self._seen[:, person] - self._share * self._all[person])[rows])


class Shares:
    """Who has what to do, by numbers of people.

    Args:
        did: thing → people who did it and do not do it again.
        order: person → what was kept, in its order; what else this person has comes last, and goes first.
        balances: of what was done and is to be done, with this.
        better_not: thing → people to whom it is handed on last.
    """

    def __init__(
        self,
        did: Mapping[str, Collection[int]],
        holders: Mapping[str, Collection[int]],
        order: Sequence[Sequence[str]],
        balances: Sequence[Balance],
        better_not: Mapping[str, Collection[int]] = {},
    ) -> None:
        self.has: list[set[str]] = [set() for _ in order]
        self._over: list[set[str]] = [set() for _ in order]  # what a person does not take: done, or there already
        self._place = [{thing: place for place, thing in enumerate(own)} for own in order]
        self._balances = balances
        self._better_not = better_not
        self._column = {thing: number for number, thing in enumerate(did)}
        for thing, those in did.items():
            for person in holders[thing]:
                self.has[person].add(thing)
            for person in {*holders[thing], *those}:
                self._over[person].add(thing)

    def level(self) -> None:
        """Make the loads as even as they can be.

        In bulk first, from each who has too much to each who has too little. Then over others, until no chain of people
        is left along which each may hand a thing to the next, from somebody to somebody with two fewer: then no
        exchange makes the loads more even (a flow of least cost is one without a negative cycle). Each move makes them
        more even, so that nothing moves where they are even already.
        """
        share, spare = divmod(sum(map(len, self.has)), max(1, len(self.has)))
        givers = sorted(range(len(self.has)), key=lambda one: (-len(self.has[one]), one))
        for giver in givers:
            one_more = int(spare > 0 and len(self.has[giver]) > share)
            spare -= one_more
            self._give(giver, len(self.has[giver]) - share - one_more, share)
        while self.has and max(map(len, self.has)) - min(map(len, self.has)) >= 2:
            chain = _chain([len(own) for own in self.has], self._takes())
            if not chain:
                return
            for one, other in pairwise(chain):
                self._hand_on(one, other, 1)

    def _give(self, giver: int, number: int, share: int) -> None:
        """Give so many to those who lack, to each in proportion."""
        lacks = {taker: share - len(own) for taker, own in enumerate(self.has) if len(own) < share}
        lack = sum(lacks.values())
        for taker in sorted(lacks, key=lambda one: (-lacks[one], one)):
            if number <= 0:
                return
            part = min(-(-number * lacks[taker] // lack), lacks[taker])
            lack -= lacks[taker]
            number -= self._hand_on(giver, taker, part)

    def _hand_on(self, giver: int, taker: int, number: int) -> int:
        """Hand on at most so many things; returns how many.

        Of the models and tasks of which the giver has most and the taker least; what is new to the giver first, then
        what was kept, from its end; last what the taker had better not see.
        """
        place = self._place[giver]
        last = len(self._column)
        free = sorted(self.has[giver] - self._over[taker], key=lambda one: (-place.get(one, last), one))
        base = np.array([float(last) if one in place else 0.0 for one in free])
        base += 2 * last * np.array([float(taker in self._better_not.get(one, ())) for one in free])
        rows = [(balance, balance.rows(free)) for balance in self._balances]
        number = min(number, len(free))
        for _ in range(number):
            cost = base.copy()
            for balance, row in rows:
                cost += balance.of_person(row, taker) - balance.of_person(row, giver)
            best = int(np.argmin(cost))
            base[best] = np.inf
            thing = free[best]
            for own in (self.has, self._over):
                own[giver].remove(thing)
                own[taker].add(thing)
            for balance in self._balances:
                balance.add(thing, [giver], -1)
                balance.add(thing, [taker])
        return number

    def _takes(self) -> np.ndarray:
        """Whether the row's person has something that the column's may take: bool, people × people."""
        has, over = (
            csr_array(
                (np.ones(sum(map(len, sets))), [self._column[one] for own in sets for one in own],
                 np.cumsum([0, *map(len, sets)])),
                shape=(len(sets), len(self._column)),
            )
            for sets in (self.has, self._over)
        )  # fmt: skip
        return np.asarray((has @ over.T).toarray() < np.array([len(own) for own in self.has])[:, None])


def _chain(loads: Sequence[int], takes: np.ndarray) -> list[int]:
    """The shortest way from somebody with as much as possible to somebody with two fewer; empty where there is none."""
    for start in sorted(range(len(loads)), key=lambda one: -loads[one]):
        ways = {start: [start]}
        reached = [start]
        for at in reached:
            if loads[at] <= loads[start] - 2:
                return ways[at]
            for other in map(int, np.flatnonzero(takes[at])):
                if other not in ways:
                    ways[other] = [*ways[at], other]
                    reached.append(other)
    return []
