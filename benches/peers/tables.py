#!/usr/bin/env python3
"""Compare the densities that this crate and its peers fit to real tables, on rows held out.

    python3 benches/peers/tables.py                  # all tables and sides, three seeds
    python3 benches/peers/tables.py --tables faithful diamonds --sides ours nflows --seeds 1

Needs what `compare.py` needs, and adds the packages of `requirements-tables.txt` to its environment
with PyTorch. For each table and seed all sides get the same rows: numbers on a grid with uniform
noise as wide as the grid, split into four fifths to fit and a fifth to test, standardised by the
former. Ours is the example `tabular`, with its defaults but for the number of epochs. The peers are
neural spline flows of the same layers, widths, bins and interval, trained in float32 by the same
optimiser, schedule, batches and early stopping: zuko's coupling flow (`passes=2`) and its
autoregressive flow, and nflows' coupling flow with a random permutation and an LU-decomposed linear
layer around each coupling. A fitted Gaussian stands beside them. All train for at most `--epochs`
epochs, of which ours by itself would take up to 400. Negative log-likelihoods (NLL) are in nats per
standardised row, lower is better. A side that fails is left out and named; every run is a line of
`tables.jsonl` beside the build.
"""
import argparse
import copy
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare import CACHE, CORES, executable, python_of, processor, table, use_two_cores, versions

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "tests" / "data"
TABLES = ["faithful", "breast_cancer", "digits", "diamonds"]
OURS, GAUSSIAN = "ours", "gaussian"
SIDES = [OURS, "zuko-coupling", "zuko-autoregressive", "nflows", GAUSSIAN]
DIAMONDS = 6000
# The defaults of `TableConfig`, `FitConfig` and the spline.
BINS, BOUND = 8, 5.0
LEARNING_RATE, WEIGHT_DECAY, WARM_UP, MAX_NORM = 1e-3, 1e-4, 0.02, 5.0
VALIDATION = 0.1


# The environment and the executable.

def environment():
    """The interpreter of the environment with PyTorch, and in it the packages with the tables."""
    python = python_of("torch")
    requirements = HERE / "requirements-tables.txt"
    installed = CACHE / "peers-torch" / "installed-tables.txt"
    if not installed.exists() or installed.read_text() != requirements.read_text():
        print(f"installing the packages of {requirements.name}", file=sys.stderr)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
        installed.write_text(requirements.read_text())
    return python


# The tables.

def read(name):
    """The names and the values of a table's numeric columns."""
    import numpy as np
    if name in ("faithful", "digits"):
        path = DATA / f"{name}.csv"
        names = path.read_text().split("\n", 1)[0].split(",")
        return names, np.loadtxt(path, delimiter=",", skiprows=1)
    if name == "breast_cancer":
        from sklearn.datasets import load_breast_cancer
        data = load_breast_cancer()
        names, rows = [name.replace(" ", "_") for name in data.feature_names], data.data
    else:
        from plotnine.data import diamonds
        numbers = diamonds.select_dtypes("number")
        names, rows = list(numbers.columns), numbers.to_numpy(float)
    # A size of 0 is one that is missing.
    rows = rows[(rows > 0).all(axis=1)]
    if name == "diamonds":
        rows = np.random.default_rng(0).permutation(rows)[:DIAMONDS]
    return names, rows


def is_determined(rows, column):
    """Whether a column is constant, or a linear function of those before it."""
    import numpy as np
    centred = rows[:, :column + 1] - rows[:, :column + 1].mean(axis=0)
    others, own = centred[:, :-1], centred[:, -1]
    if not own.any():
        return True
    residual = own - others @ np.linalg.lstsq(others, own, rcond=None)[0] if column else own
    return bool(np.linalg.norm(residual) <= 1e-7 * np.linalg.norm(own))


def resolution(values):
    """The coarsest power of ten that 95 % of the values are multiples of; 0 if no value is twice."""
    import numpy as np
    if len(np.unique(values)) == len(values):
        return 0.0
    for digits in range(-3, 13):
        scaled = values * 10.0**digits
        if np.mean(np.abs(scaled - np.round(scaled)) < 1e-6 * np.maximum(1, np.abs(scaled))) >= 0.95:
            return 10.0**-digits
    return 0.0


def prepared(name, seed):
    """The names of the columns, and the standardised rows to fit and to test."""
    import numpy as np
    names, rows = read(name)
    kept = [column for column in range(len(names)) if not is_determined(rows, column)]
    names, rows = [names[column] for column in kept], rows[:, kept]
    rng = np.random.default_rng(seed)
    widths = np.array([resolution(column) for column in rows.T])
    rows = rng.permutation(rows + widths * rng.uniform(-0.5, 0.5, rows.shape))
    n_test = len(rows) // 5
    test, train = rows[:n_test], rows[n_test:]
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    return names, (train - mean) / deviation, (test - mean) / deviation


# What follows from the size of a table, as in `TableConfig` and `FitConfig`.

def plan(n_rows, d, epochs):
    n_validation = max(1, int(n_rows * VALIDATION + 0.5))
    n_train = n_rows - n_validation
    sixteenth = 1 << max(0, n_train // 16 - 1).bit_length()
    batch = min(max(32, min(512, sixteenth)), n_train)
    steps = n_train // batch
    epochs = min(epochs, max(10, min(400, math.ceil(8000 / steps))))
    hidden = next((h for n, h in [(1000, 32), (10_000, 64), (100_000, 128)] if n_rows < n), 256)
    return {"n_validation": n_validation, "batch": batch, "steps": steps, "epochs": epochs,
            "patience": max(20, epochs // 4), "hidden": hidden, "layers": 6 if d < 5 else 8}


def learning_rate(step, n_steps):
    """A linear warm-up, then a cosine to 0."""
    n_warm_up = round(WARM_UP * n_steps)
    if step < n_warm_up:
        return LEARNING_RATE * (step + 1) / n_warm_up
    progress = (step - n_warm_up) / (n_steps - n_warm_up)
    return LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * progress))


# The sides. Each gives the NLL of every test row, and what else there is to say of the run.

def ours(binary, names, train, test, seed, sizes):
    import numpy as np
    with tempfile.TemporaryDirectory() as folder:
        for part, rows in [("train", train), ("test", test)]:
            np.savetxt(f"{folder}/{part}.csv", rows, "%.17g", ",", header=",".join(names), comments="")
        fit = [binary, "train.csv", "--seed", str(seed), "--out", "out"]
        fit += [word for name in names for word in ("--support", f"{name}=real")]
        fit += ["--epochs", str(sizes["epochs"])]
        score = [binary, "test.csv", "--load", "out/model.nflow", "--out", "out"]
        for command in (fit, score):
            run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if run.returncode != 0:
                raise RuntimeError(run.stderr.strip() or f"it ended with {run.returncode}")
        report = json.loads(Path(folder, "out", "summary.json").read_text())["report"]
        with open(f"{folder}/out/scores.csv") as scores:
            column = scores.readline().strip().split(",").index("log_density")
            log_density = np.loadtxt(scores, delimiter=",", usecols=column)
    fit = report["fit"]
    return -log_density, {
        "seconds": fit["seconds"], "epochs": len(fit["history"]), "best_epoch": fit["best_epoch"],
        "parameters": fit["n_parameters"], "validation_nll": report["nll"],
        "notes": report["notes"]}


def peer_model(side, d, layers, hidden):
    if side == "zuko-coupling":
        return zuko_model(d, layers, hidden, passes=2)
    if side == "zuko-autoregressive":
        return zuko_model(d, layers, hidden, passes=None)
    return nflows_model(d, layers, hidden)


def zuko_model(d, layers, hidden, passes):
    """zuko's neural spline flow, whose interval is from -5 to 5."""
    import zuko
    flow = zuko.flows.NSF(d, transforms=layers, hidden_features=(hidden, hidden), bins=BINS,
                          passes=passes)
    flow.log_prob = lambda x: flow().log_prob(x)
    return flow


def nflows_model(d, n_layers, hidden):
    from nflows import distributions, flows, transforms
    from nflows.nn.nets import MLP
    from nflows.utils import create_alternating_binary_mask

    class Net(MLP):  # nflows passes a context argument that its own MLP does not take
        # By its root the coupling divides the sizes of bins, as for nflows' residual networks.
        hidden_features = hidden

        def forward(self, inputs, context=None):
            return super().forward(inputs)

    def linear():
        return [transforms.RandomPermutation(d), transforms.LULinear(d, identity_init=True)]

    def coupling(layer):
        return transforms.PiecewiseRationalQuadraticCouplingTransform(
            create_alternating_binary_mask(d, even=layer % 2 == 0),
            lambda d_in, d_out: Net([d_in], [d_out], [hidden, hidden]),
            num_bins=BINS, tails="linear", tail_bound=BOUND)

    layers = [part for layer in range(n_layers) for part in (*linear(), coupling(layer))] + linear()
    return flows.Flow(transforms.CompositeTransform(layers), distributions.StandardNormal([d]))


def fit_peer(model, train, seed, sizes):
    """Maximum likelihood with early stopping, as `fit` does it; the model has the best weights."""
    import torch
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(train), generator=generator)
    validation, rows = train[order[:sizes["n_validation"]]], train[order[sizes["n_validation"]:]]
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY)
    n_steps = sizes["steps"] * sizes["epochs"]
    best = (mean_nll(model, validation), 0, copy.deepcopy(model.state_dict()))
    step = 0
    for epoch in range(1, sizes["epochs"] + 1):
        order = torch.randperm(len(rows), generator=generator)
        for batch in order[:sizes["steps"] * sizes["batch"]].split(sizes["batch"]):
            optimiser.param_groups[0]["lr"] = learning_rate(step, n_steps)
            step += 1
            optimiser.zero_grad()
            loss = -model.log_prob(rows[batch]).mean()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
            if loss.isfinite() and norm.isfinite():
                optimiser.step()
        nll = mean_nll(model, validation)
        if nll < best[0]:
            best = (nll, epoch, copy.deepcopy(model.state_dict()))
        if epoch - best[1] >= sizes["patience"]:
            break
    model.load_state_dict(best[2])
    return {"epochs": epoch, "best_epoch": best[1], "validation_nll": best[0]}


def mean_nll(model, rows):
    import torch
    with torch.no_grad():
        return -model.log_prob(rows).double().mean().item()


def peer(side, train, test, seed, sizes):
    import torch
    torch.set_num_threads(CORES)
    torch.manual_seed(seed)
    train, test = (torch.tensor(rows, dtype=torch.float32) for rows in (train, test))
    model = peer_model(side, train.shape[1], sizes["layers"], sizes["hidden"])
    mean_nll(model, test)  # What is imported on first use is no training.
    start = time.perf_counter()
    what = fit_peer(model, train, seed, sizes)
    what["seconds"] = time.perf_counter() - start
    what["parameters"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
    with torch.no_grad():
        return -model.log_prob(test).double().numpy(), what


def gaussian(train, test):
    """The normal with the mean and the covariance of the rows to fit."""
    import numpy as np
    factor = np.linalg.cholesky(np.cov(train.T, bias=True))
    white = np.linalg.solve(factor, (test - train.mean(axis=0)).T)
    constant = np.log(np.diag(factor)).sum() + 0.5 * train.shape[1] * math.log(2 * math.pi)
    return 0.5 * (white**2).sum(axis=0) + constant, {"seconds": 0.0, "epochs": 0}


def run(side, binary, names, train, test, seed, epochs):
    """A side's NLL of each test row, with the rest; nothing if it fails."""
    sizes = plan(*train.shape, epochs)
    try:
        if side == OURS:
            nll, what = ours(binary, names, train, test, seed, sizes)
        elif side == GAUSSIAN:
            nll, what = gaussian(train, test)
        else:
            nll, what = peer(side, train, test, seed, sizes)
    except Exception as error:
        print(f"left out: {side}: {error}", file=sys.stderr)
        return None
    if not all(map(math.isfinite, nll)):
        print(f"left out: {side}: the density of a test row is not finite", file=sys.stderr)
        return None
    return {"nll": float(nll.mean()), "nll_error": standard_error(nll), **what,
            "rows": [round(float(value), 6) for value in nll]}


# What is printed.

def standard_error(values):
    return statistics.stdev(map(float, values)) / math.sqrt(len(values))


def spread(values):
    return f"{statistics.stdev(values):.3f}" if len(values) > 1 else "-"


def print_likelihoods(shapes, runs, sides):
    print("Test NLL, mean over the seeds; its standard error within a run; its standard deviation")
    print("over the seeds:\n")
    rows = [["table", "rows to fit, columns", "side", "test NLL", "error", "over seeds", "seconds",
             "epochs", "parameters"]]
    for name, (n, d) in shapes.items():
        for side in sides:
            of_side = runs.get((name, side), {}).values()
            if of_side:
                mean = {key: statistics.mean(run.get(key, 0) for run in of_side)
                        for key in ("nll", "nll_error", "seconds", "epochs", "parameters")}
                rows.append([name, f"{n}, {d}", side, f"{mean['nll']:.3f}", f"{mean['nll_error']:.3f}",
                             spread([run["nll"] for run in of_side]), f"{mean['seconds']:.1f}",
                             f"{mean['epochs']:.0f}", f"{mean['parameters']:.0f}"])
    table(rows)


def print_differences(shapes, runs, sides):
    print("NLL of ours minus the other's, of the same test rows, all seeds together; negative is")
    print("better. \"As good\" is: not above 0 by more than two standard errors.\n")
    rows = [["table", "side", "difference", "error", "over seeds", "as good"]]
    for name in shapes:
        for side in sides:
            mine, other = runs.get((name, OURS), {}), runs.get((name, side), {})
            pairs = [[a - b for a, b in zip(mine[seed]["rows"], other[seed]["rows"])]
                     for seed in mine if seed in other]
            if side == OURS or not pairs:
                continue
            values = sum(pairs, [])
            mean, error = statistics.mean(values), standard_error(values)
            rows.append([name, side, f"{mean:+.3f}", f"{error:.3f}",
                         spread([statistics.mean(pair) for pair in pairs]),
                         "yes" if mean <= 2 * error else "no"])
    table(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--seeds", type=int, default=3, help="as many seeds, from 0")
    parser.add_argument("--epochs", type=int, default=200, help="for all sides, at most")
    parser.add_argument("--binary", type=Path, help="the example `tabular`, built before")
    parser.add_argument("--out", type=Path, help="the file for the line of each run")
    arguments = parser.parse_args()
    if arguments.seeds < 1 or arguments.epochs < 1:
        parser.error("--seeds and --epochs must be at least 1")
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit("pinning all sides to the same cores needs Linux")
    use_two_cores()
    # On a busy machine PyTorch's two threads otherwise spin for each other, at many times the cost.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    binary = Path(arguments.binary or executable("tabular", "build", "--example")).resolve()
    python = environment()
    if Path(sys.prefix).resolve() != python.parent.parent.resolve():
        words = [word for word in sys.argv[1:]] + ["--binary", str(binary)]
        os.execv(python, [python, __file__, *words])

    start = time.perf_counter()
    shapes, runs = {}, {}
    with open(arguments.out or binary.parent / "tables.jsonl", "w") as record:
        for name in arguments.tables:
            for seed in range(arguments.seeds):
                names, train, test = prepared(name, seed)
                shapes[name] = train.shape
                for side in arguments.sides:
                    done = run(side, binary, names, train, test, seed, arguments.epochs)
                    if done is None:
                        continue
                    runs.setdefault((name, side), {})[seed] = done
                    line = {"table": name, "seed": seed, "side": side, **done}
                    print(json.dumps(line), file=record, flush=True)
                    print(f"{name}, seed {seed}, {side}: NLL {done['nll']:.3f} in "
                          f"{done['seconds']:.1f} s, {done['epochs']} epochs", file=sys.stderr)
    minutes = (time.perf_counter() - start) / 60
    print(f"{processor()}, {CORES} cores; {arguments.seeds} seeds, at most {arguments.epochs} epochs, "
          f"{minutes:.0f} minutes; {versions({'torch': python})}\n")
    print_likelihoods(shapes, runs, arguments.sides)
    if OURS in arguments.sides:
        print_differences(shapes, runs, arguments.sides)


if __name__ == "__main__":
    main()
