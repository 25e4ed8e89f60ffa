#!/usr/bin/env python3
"""Time this crate and its peers on the same work, in one sitting, and print the ratios.

    python3 benches/peers/compare.py                 # all workloads, three rounds
    python3 benches/peers/compare.py --rounds 1 affine-2d affine-64d

Needs a Rust toolchain, Python 3.11 with `venv`, and the network for the peers' packages, which go
into virtual environments in the user's cache. In every round each workload is run by this crate, by
the PyTorch libraries and by flowjax, one after the other, so that what else the machine does falls on
all sides; a figure is the median over the rounds of the medians that each run prints.
"""
import argparse
import json
import os
import platform
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


def our_bench():
    """Builds the benchmark and gives its executable."""
    build = ["cargo", "bench", "--bench", "workloads", "--no-run", "--message-format=json"]
    output = subprocess.run(build, cwd=HERE, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in output.splitlines():
        message = json.loads(line)
        if message.get("executable") and message.get("target", {}).get("name") == "workloads":
            return message["executable"]
    raise SystemExit("cargo names no executable of the benchmark `workloads`")


def lines_of(command):
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def processor():
    try:
        info = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return name


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

    bench = our_bench()
    known = [line["workload"] for line in lines_of([bench, "--list"])]
    unknown = [name for name in arguments.workloads if name not in known]
    if unknown:
        raise SystemExit(f"no workload {', '.join(unknown)}; there are {', '.join(known)}")
    workloads = arguments.workloads or known
    pythons = {family: python_of(family) for family in PEERS}

    times, peaks = {}, []
    for round_ in range(arguments.rounds):
        for workload in workloads:
            print(f"round {round_ + 1} of {arguments.rounds}: {workload}", file=sys.stderr)
            lines = lines_of([bench, workload])
            for family, names in PEERS.items():
                command = [pythons[family], HERE / "bench_peers.py", *names, workload]
                lines += lines_of(command)
            for line in lines:
                for key in MEASURES.values():
                    if (workload, key) not in NOT_MEASURED:
                        times.setdefault((workload, key, line["peer"]), []).append(line[key])
        peaks.append(lines_of([bench, "--gemm-peak"])[0]["gemm_peak_gflops"])
    times = {key: statistics.median(values) for key, values in times.items()}
    flops = {line["workload"]: line["forward_gflop"] for line in lines_of([bench, "--list"])}
    peak = statistics.median(peaks)

    print(f"{processor()}, {len(os.sched_getaffinity(0))} cores; medians of {arguments.rounds} rounds\n")
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

    print(f"GEMM peak in this sitting: {peak:.0f} GFLOP/s. Share of it that we reach, counting a")
    print("training step as three forward passes:\n")
    rows = [["workload", *MEASURES]]
    for workload in workloads:
        shares = []
        for key in MEASURES.values():
            ms = times.get((workload, key, OURS))
            gflop = flops[workload] * (3 if key == "train_ms" else 1)
            shares.append("-" if ms is None else f"{100 * gflop / (ms / 1e3) / peak:.0f} %")
        rows.append([workload, *shares])
    table(rows)

    print("Peak memory that training adds, in MiB:\n")
    rows = [["workload", OURS, COMPOSED]]
    for workload in workloads:
        lines = lines_of([bench, "--memory", workload])
        mib = {line["peer"]: line["train_peak_mib"] for line in lines}
        rows.append([workload, *(f"{mib[name]:.0f}" for name in (OURS, COMPOSED))])
    table(rows)


if __name__ == "__main__":
    main()
