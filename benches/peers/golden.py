#!/usr/bin/env python3
"""Write the reference vectors of `tests/golden` that independent implementations compute.

    python3 benches/peers/golden.py

Needs what `compare.py` needs. All numbers are float64, from fixed seeds. Each file says its source
and what its numbers are.
"""
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from compare import HERE, python_of

GOLDEN = HERE.parent.parent / "tests" / "golden"


def nflows_lu():
    import torch
    from nflows.transforms import LULinear
    cases = []
    for d in (1, 2, 5, 16):
        torch.manual_seed(d)
        layer = LULinear(d, identity_init=False)
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter, std=0.5 / d**0.5)
        lower, upper = layer._create_lower_upper()
        x = torch.randn(20, d)
        z, log_det = layer(x)
        back, log_det_back = layer.inverse(x)
        cases.append({"lower": lower.tolist(), "upper": upper.tolist(), "bias": layer.bias.tolist(),
                      "x": x.tolist(), "z": z.tolist(), "log_det": log_det.tolist(),
                      "inverse_of_x": back.tolist(), "inverse_log_det": log_det_back.tolist()})
    return {"source": f"nflows {version('nflows')}, LULinear, float64",
            "note": "z = lower @ upper @ x + bias, per row; log_det is that of the map from x to z",
            "cases": cases}


def nflows_layers():
    import torch
    from nflows.transforms import ActNorm, BatchNorm, HouseholderSequence, QRLinear, SVDLinear
    cases = []
    for d, reflections in [(1, 2), (2, 4), (5, 4), (6, 14)]:
        torch.manual_seed(d)
        layers = [HouseholderSequence(d, reflections), QRLinear(d, reflections), SVDLinear(d, reflections),
                  ActNorm(d), BatchNorm(d)]
        for layer in layers:
            for parameter in layer.parameters():
                torch.nn.init.normal_(parameter, std=0.5)
            layer.eval()
            case = {"layer": type(layer).__name__,
                    "parameters": {name: value.tolist() for name, value in layer.named_parameters()}}
            if isinstance(layer, QRLinear):
                case["upper"] = layer._create_upper().tolist()
            if isinstance(layer, SVDLinear):
                case["singular_values"] = layer.diagonal.tolist()
            if isinstance(layer, BatchNorm):
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.1, 3.0)
                case |= {"mean": layer.running_mean.tolist(), "variance": layer.running_var.tolist(),
                         "weight": layer.weight.tolist(), "epsilon": layer.eps}
            x = torch.randn(8, d)
            z, log_det = layer(x)
            back, log_det_back = layer.inverse(x)
            cases.append(case | {"x": x.tolist(), "z": z.tolist(), "log_det": log_det.tolist(),
                                 "inverse_of_x": back.tolist(), "inverse_log_det": log_det_back.tolist()})
    return {"source": f"nflows {version('nflows')}, layers in evaluation, float64",
            "note": "reflections are applied in the order of the vectors; log_det is that of the map from x to z",
            "cases": cases}


def zuko_autoregressive():
    import torch
    import zuko
    from zuko.nn import MaskedLinear
    cases = []
    for name, build, passes, context in [("MAF", zuko.flows.MAF, None, 0), ("MAF", zuko.flows.MAF, None, 2),
                                         ("MAF", zuko.flows.MAF, 2, 0), ("MAF", zuko.flows.MAF, 3, 2),
                                         ("NSF", zuko.flows.NSF, 2, 0), ("NSF", zuko.flows.NSF, None, 1)]:
        torch.manual_seed(len(cases))
        features = 5
        flow = build(features, context, transforms=2, hidden_features=(11, 9), passes=passes,
                     **({"randperm": True} if len(cases) % 2 else {}), **({"bins": 6} if name == "NSF" else {}))
        for parameter in flow.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
        x, c = torch.randn(12, features), torch.randn(12, context) if context else None
        transform = flow(c).transform
        z, log_det = transform.call_and_ladj(x)
        layers = []
        for layer in flow.transform.transforms:
            linears = [m for m in layer.hyper if isinstance(m, MaskedLinear)]
            layers.append({"passes": layer.order.tolist(), "weights": [m.weight.tolist() for m in linears],
                           "biases": [m.bias.tolist() for m in linears]})
        cases.append({"flow": name, "bins": 6, "context": c.tolist() if context else None, "layers": layers,
                      "x": x.tolist(), "z": z.tolist(), "log_det": log_det.tolist(),
                      "log_prob": flow(c).log_prob(x).tolist()})
    return {"source": f"zuko {version('zuko')}, flows.MAF and flows.NSF, float64",
            "note": "layers from data to latent; weights are [out, in] and not masked yet",
            "cases": cases}


def zuko_monotone():
    import torch
    import zuko
    from zuko.nn import Linear, MaskedLinear
    small = dict(transforms=2, hidden_features=(11, 9))
    cases = []
    for name, context, settings in [("NAF", 0, dict(signal=4, network=dict(hidden_features=(6, 8)))),
                                    ("NAF", 2, dict(signal=3, network=dict(hidden_features=(4,)))),
                                    ("UNAF", 0, dict(signal=4, network=dict(hidden_features=(6, 5)))),
                                    ("UNAF", 2, dict(signal=3, network=dict(hidden_features=(7,)))),
                                    ("SOSPF", 0, dict(degree=3, polynomials=2)), ("SOSPF", 1, dict()),
                                    ("BPF", 0, dict(degree=16)), ("BPF", 1, dict(degree=8))]:
        torch.manual_seed(len(cases))
        features = 3
        flow = getattr(zuko.flows, name)(features, context, **small, **settings)
        for parameter in flow.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
        x, c = torch.randn(12, features) * 1.5, torch.randn(12, context) if context else None
        z, log_det = flow(c).transform.call_and_ladj(x)
        layers = []
        for layer in flow.transform.transforms:
            if not hasattr(layer, "hyper"):
                continue
            linears = [m for m in layer.hyper if isinstance(m, MaskedLinear)]
            network = getattr(layer.univariate, "network", getattr(layer.univariate, "integrand", ()))
            stacked = [m for m in network if isinstance(m, Linear)]
            layers.append({"passes": layer.order.tolist(), "weights": [m.weight.tolist() for m in linears],
                           "biases": [m.bias.tolist() for m in linears],
                           "network_weights": [m.weight.tolist() for m in stacked],
                           "network_biases": [m.bias.tolist() for m in stacked]})
        cases.append({"flow": name, "settings": settings, "context": c.tolist() if context else None, "layers": layers,
                      "x": x.tolist(), "z": z.tolist(), "log_det": log_det.tolist(),
                      "log_prob": flow(c).log_prob(x).tolist()})
    return {"source": f"zuko {version('zuko')}, flows.NAF, UNAF, SOSPF and BPF, float64",
            "note": "layers from data to latent, between those of all but BPF a soft clip at 11; weights are [out, in],"
                    " those of networks [feature, out, in]",
            "cases": cases}


def nflows_autoregressive():
    import torch
    from nflows.transforms import MaskedAffineAutoregressiveTransform
    cases = []
    for features, residual in [(4, True), (4, False), (7, True)]:
        torch.manual_seed(len(cases))
        layer = MaskedAffineAutoregressiveTransform(features, hidden_features=10, num_blocks=2,
                                                    use_residual_blocks=residual)
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
        x = torch.randn(12, features)
        z, log_det = layer(x)
        made = layer.autoregressive_net
        cases.append({"features": features, "residual": residual,
                      "parameters": {name: value.tolist() for name, value in made.named_parameters()},
                      "parameters_of_x": made(x).tolist(),
                      "x": x.tolist(), "z": z.tolist(), "log_det": log_det.tolist()})
    return {"source": f"nflows {version('nflows')}, MaskedAffineAutoregressiveTransform, float64",
            "note": "z = x (softplus(a) + 0.001) + t with (a, t) of each feature in turn; weights are [out, in]"
                    " and not masked yet",
            "cases": cases}


def scipy_bases():
    import numpy
    from scipy import stats
    rng = numpy.random.default_rng(0)
    loc, scale = rng.normal(size=2), numpy.exp(rng.normal(size=2))
    df, power = numpy.array([0.7, 6.5]), numpy.array([0.8, 3.3])
    x = numpy.concatenate([rng.normal(size=(20, 2)) * 3, [[0, 0], [30, -40], [1e-8, 200]]])
    rows = rng.normal(size=(20, 3)) @ rng.normal(size=(3, 3)) + rng.normal(size=3)
    normal = stats.multivariate_normal(rows.mean(0), numpy.cov(rows.T, bias=True))
    factor = rng.normal(size=(3, 2))
    low_rank = stats.multivariate_normal(numpy.zeros(3), factor @ factor.T + numpy.diag([0.25, 1.0, 4.0]))
    families = {
        "laplace": stats.laplace(loc, scale),
        "logistic": stats.logistic(loc, scale),
        "student_t": stats.t(df, loc, scale),
        "generalized_normal": stats.gennorm(power, loc, scale),
        # The scales are the concentrations.
        "von_mises": stats.vonmises(scale, loc),
    }
    return {"source": f"scipy {version('scipy')}, scipy.stats, float64",
            "note": "the log-density of each row, the sum over independent features; `normal` has the mean and"
                    " the covariance (divided by the number of rows) of `rows`; `low_rank` has mean 0, this factor"
                    " and scales of 0.5, 1 and 2",
            "loc": loc.tolist(), "scale": scale.tolist(), "df": df.tolist(), "power": power.tolist(),
            "x": x.tolist(),
            "families": {name: of.logpdf(x).sum(1).tolist() for name, of in families.items()},
            "rows": rows.tolist(), "normal": normal.logpdf(rows).tolist(),
            "factor": factor.tolist(), "low_rank": low_rank.logpdf(rows).tolist()}


def scipy_bounded():
    import numpy
    from scipy import special, stats
    rng = numpy.random.default_rng(1)
    low, high = numpy.array([-1.0, 2.0]), numpy.array([0.5, 9.0])
    loc, scale = numpy.array([0.2, 1.0]), numpy.array([0.7, 3.0])
    x = low + (high - low) * rng.uniform(size=(20, 2))
    bells = {"normal": stats.norm(loc, scale), "laplace": stats.laplace(loc, scale), "logistic": stats.logistic(loc, scale)}
    truncated = {name: (bell.logpdf(x) - numpy.log(bell.cdf(high) - bell.cdf(low))).sum(1).tolist()
                 for name, bell in bells.items()}
    weights, means = rng.dirichlet(numpy.ones(3)), rng.normal(size=(3, 2)) * 3
    scales, rows = numpy.exp(rng.normal(size=(3, 2))), rng.normal(size=(20, 2)) * 4
    components = stats.norm(means, scales).logpdf(rows[:, None]).sum(2) + numpy.log(weights)
    return {"source": f"scipy {version('scipy')}, scipy.stats, float64",
            "note": "the log-density of each row, the sum over independent features; a mixture of normals of `rows`",
            "low": low.tolist(), "high": high.tolist(), "loc": loc.tolist(), "scale": scale.tolist(), "x": x.tolist(),
            "truncated": truncated, "uniform": stats.uniform(low, high - low).logpdf(x).sum(1).tolist(),
            "weights": weights.tolist(), "means": means.tolist(), "scales": scales.tolist(), "rows": rows.tolist(),
            "mixture": special.logsumexp(components, axis=1).tolist()}


def arviz_pareto():
    import numpy
    from arviz_stats.base import array_stats
    rng = numpy.random.default_rng(2)
    # Of so many samples the tail is a whole number, which is rounded up by some and down by others.
    samples = {"normal": rng.normal(size=400), "heavy": 0.9 * rng.exponential(size=400) - 40,
               "light": -rng.uniform(size=100), "shifted": rng.standard_t(3, size=900) + 700}
    cases = []
    for name, log_weights in samples.items():
        # It takes log-likelihoods left out, whose inverses are the weights.
        smoothed, shape = array_stats.psislw(-log_weights, r_eff=1)
        # Normalised there.
        smoothed = numpy.asarray(smoothed)
        cases.append({"name": name, "log_weights": log_weights.tolist(), "smoothed": smoothed.tolist(),
                      "shape": float(shape)})
    return {"source": f"arviz-stats {version('arviz-stats')}, array_stats.psislw, float64",
            "note": "smoothed log-weights are normalised", "cases": cases}


FILES = {"scipy_bases.json": scipy_bases, "scipy_bounded.json": scipy_bounded, "arviz_pareto.json": arviz_pareto,
         "nflows_lu.json": nflows_lu, "nflows_layers.json": nflows_layers,
         "nflows_autoregressive.json": nflows_autoregressive,
         "zuko_autoregressive.json": zuko_autoregressive, "zuko_monotone.json": zuko_monotone}


def main():
    python = python_of("torch")
    if Path(sys.executable).parent != Path(python).parent:
        sys.exit(subprocess.run([python, __file__]).returncode)
    import torch
    torch.set_default_dtype(torch.float64)
    with torch.no_grad():
        for name, vectors in FILES.items():
            (GOLDEN / name).write_text(json.dumps(vectors()) + "\n")
            print(GOLDEN / name)


if __name__ == "__main__":
    main()
