"""What was measured in one run, and what follows from it."""

from dataclasses import dataclass, field

from measuring import geometric_mean


@dataclass
class Figures:
    programs: list[str]
    runners: dict[str, str]  # name -> version
    rounds: int
    titles: dict[str, str]
    # (program, runner) -> seconds of user time, the median
    seconds: dict[tuple[str, str], float] = field(default_factory=dict)
    # runner -> runners.CompileTime
    compile_times: dict = field(default_factory=dict)
    # program, runner, why
    skipped: list[tuple[str, str, str]] = field(default_factory=list)

    def ratio(self, program: str, runner: str, to: str = "native") -> float | None:
        """How many times as long `runner` takes as `to`."""
        ours, theirs = self.seconds.get((program, runner)), self.seconds.get((program, to))
        return ours / theirs if ours and theirs else None

    def ratios(self, runner: str, to: str = "native") -> dict[str, float]:
        every = {program: self.ratio(program, runner, to) for program in self.programs}
        return {program: ratio for program, ratio in every.items() if ratio}

    def mean(self, runner: str, to: str = "native") -> float | None:
        """The geometric mean over the programs that both run."""
        ratios = self.ratios(runner, to).values()
        return geometric_mean(ratios) if ratios else None

    def as_json(self) -> dict:
        return {
            "runners": self.runners, "rounds": self.rounds,
            "seconds": {f"{program} {runner}": spent for (program, runner), spent in self.seconds.items()},
            "ratios": {runner: self.ratios(runner) for runner in self.runners if runner != "native"},
            "geometric_means": {runner: self.mean(runner) for runner in self.runners},
            "compile_seconds": {name: {"clock": spent.clock, "processor": spent.processor}
                                for name, spent in self.compile_times.items()},
            "skipped": self.skipped,
        }
