#!/usr/bin/env python3
"""Time this crate and its peers on the same work, in one sitting, and print the ratios.

    python3 benches/peers/compare.py                 # all workloads, three rounds
    python3 benches/peers/compare.py --rounds 1 affine-2d affine-64d

Needs Linux, a Rust toolchain, Python 3.11 with `venv`, and the network for the peers' packages,
which go into virtual environments in the user's cache. All sides run on the same two cores. In every
round each workload is run by this crate, by the PyTorch libraries and by flowjax, one after the other
and in another order from round to round, so that what else the machine does falls on all sides; a
figure is the median over the rounds of the medians that each run prints. A peer that fails is left
out and named; every line that was measured is in `comparison.jsonl` beside the build.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "normalizing-flows"
PEERS = {"torch": ["torch", "zuko", "nflows", "normflows"], "jax": ["flowjax"]}
OURS, COMPOSED = "normalizing-flows", "normalizing-flows-composed"
MEASURES = {"training step": "train_ms", "log_prob": "log_prob_ms", "sample": "sample_ms"}
# Batches of one are not trained on.
NOT_MEASURED = {("affine-64d-1", "train_ms")}
CORES = 2
# What would make our build or any side's threads other than those of a plain user.
CLEARED = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "RAYON_NUM_THREADS",
           "BURN_DEVICE", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "XLA_FLAGS"]


def python_of(family):
    """The interpreter of a virtual environment with the family's packages."""
    home = CACHE / f"peers-{family}"
    python = home / "bin" / "python"
    requirements = HERE / f"requirements-{family}.txt"
    installed = home / "installed.txt"
    if not installed.exists() or installed.read_text() != requirements.read_text():
        print(f"installing the packages of {requirements.name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
        installed.write_text(requirements.read_text())
    return python


def executable(target, *build):
    """Builds a target by this `cargo` command and gives its executable."""
    command = ["cargo", *build, target, "--message-format=json"]
    output = subprocess.run(command, cwd=HERE, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in output.splitlines():
        message = json.loads(line)
        if message.get("executable") and message.get("target", {}).get("name") == target:
            return message["executable"]
    raise SystemExit(f"cargo names no executable of `{target}`")


def our_bench():
    return executable("workloads", "bench", "--no-run", "--bench")


def lines_of(command):
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def lines_or_nothing(command):
    """A run that fails is named, and costs its own figures alone."""
    try:
        return lines_of(command)
    except (subprocess.CalledProcessError, json.JSONDecodeError) as error:
        print(f"left out: {error}", file=sys.stderr)
        return []


def use_two_cores():
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < CORES:
        raise SystemExit(f"the workloads are for {CORES} cores, and there is one")
    os.sched_setaffinity(0, cores[:CORES])
    for name in CLEARED:
        os.environ.pop(name, None)


def processor():
    info = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return names[0] if names else os.uname().machine


def versions(pythons):
    """The compiler, and the peers with their versions."""
    found = [subprocess.run(["rustc", "-V"], stdout=subprocess.PIPE, text=True).stdout.strip()]
    wanted = [name for names in PEERS.values() for name in names] + ["jax"]
    for python in pythons.values():
        freeze = [python, "-m", "pip", "list", "--format=json"]
        for package in lines_of(freeze)[0]:
            if package["name"] in wanted:
                found.append(f"{package['name']} {package['version']}")
    return ", ".join(found)


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit("pinning all sides to the same cores needs Linux")
    if not shutil.which("cargo"):
        raise SystemExit("no `cargo` was found: install a Rust toolchain")

    use_two_cores()
    bench = our_bench()
    listed = {line["workload"]: line for line in lines_of([bench, "--list"])}
    unknown = [name for name in arguments.workloads if name not in listed]
    if unknown:
        raise SystemExit(f"no workload {', '.join(unknown)}; there are {', '.join(listed)}")
    workloads = arguments.workloads or list(listed)
    pythons = {family: python_of(family) for family in PEERS}
    sides = [[bench]] + [[pythons[family], HERE / "bench_peers.py", *names]
                         for family, names in PEERS.items()]

    times, peaks = {}, []
    with open(Path(bench).parent / "comparison.jsonl", "w") as record:
        for round_ in range(arguments.rounds):
            for workload in workloads:
                print(f"round {round_ + 1} of {arguments.rounds}: {workload}", file=sys.stderr)
                turn = round_ % len(sides)
                for side in sides[turn:] + sides[:turn]:
                    for line in lines_or_nothing([*side, workload]):
                        print(json.dumps({"round": round_, **line}), file=record, flush=True)
                        for key in MEASURES.values():
                            if (workload, key) not in NOT_MEASURED:
                                cell = times.setdefault((workload, key, line["peer"]), [])
                                cell.append(line[key])
            peaks.append(lines_of([bench, "--peaks"])[0])
    times = {key: statistics.median(values) for key, values in times.items()}
    gemm_peak = statistics.median(line["gemm_peak_gflops"] for line in peaks)
    # Of a processor whose instructions the benchmark does not know there is the former alone.
    peak = statistics.median(line["peak_gflops"] or gemm_peak for line in peaks)

    print(f"{processor()}, {CORES} cores; medians of {arguments.rounds} rounds; {versions(pythons)}\n")
    print("Milliseconds of the fastest peer divided by ours:\n")
    rows = [["workload", *MEASURES]]
    for workload in workloads:
        row = [workload]
        for key in MEASURES.values():
            peers = {p: ms for (w, k, p), ms in times.items()
                     if (w, k) == (workload, key) and p not in (OURS, COMPOSED)}
            if not peers:
                row.append("-")
                continue
            fastest = min(peers, key=peers.get)
            row.append(f"{peers[fastest] / times[workload, key, OURS]:.2f} ({fastest})")
        rows.append(row)
    table(rows)

    print("Milliseconds (training step / `log_prob` / `sample`):\n")
    names = [OURS, COMPOSED, *sum(PEERS.values(), [])]
    rows = [["workload", *names]]
    for workload in workloads:
        cells = []
        for name in names:
            ms = [times.get((workload, key, name)) for key in MEASURES.values()]
            cell = " / ".join("-" if value is None else f"{value:.3g}" for value in ms)
            cells.append("-" if all(value is None for value in ms) else cell)
        rows.append([workload, *cells])
    table(rows)

    print(f"In this sitting {CORES} cores did {peak:.0f} GFLOP/s of multiply-adds that wait for nothing, and")
    print(f"{gemm_peak:.0f} GFLOP/s of `gemm`'s products. Share of the former that the matrix products of each")
    print("measurement reach, whatever else it does in its time:\n")
    rows = [["workload", *MEASURES]]
    for workload in workloads:
        shares = []
        for key in MEASURES.values():
            ms, gflop = times.get((workload, key, OURS)), listed[workload][key]
            shares.append("-" if ms is None else f"{100 * gflop / (ms / 1e3) / peak:.0f} %")
        rows.append([workload, *shares])
    table(rows)

    print("Peak memory that training adds, in MiB:\n")
    rows = [["workload", OURS, COMPOSED]]
    for workload in workloads:
        lines = lines_of([bench, "--memory", workload])
        mib = {line["peer"]: line["train_peak_mib"] for line in lines}
        rows.append([workload, *(f"{mib[name]:.1f}" if name in mib else "-" for name in (OURS, COMPOSED))])
    table(rows)


if __name__ == "__main__":
    main()
