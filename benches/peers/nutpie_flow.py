#!/usr/bin/env python3
"""The no-U-turn sampler of nutpie through its JAX flow, on the targets of `benches/nuts.rs`.

    python3 -m venv .venv-nutpie && .venv-nutpie/bin/pip install -r requirements-nutpie.txt
    .venv-nutpie/bin/python nutpie_flow.py            # all targets
    .venv-nutpie/bin/python nutpie_flow.py funnel
    .venv-nutpie/bin/python nutpie_flow.py --seed 1 bananas

A line of JSON per target, with the keys that `cargo bench --features nuts --bench nuts` prints. One chain, as many
draws as there, nutpie's defaults. Seconds are from the call to the last draw: compilation by JAX is part of the
warm-up, as a user waits for it.
"""
import json, math, sys, time, warnings

warnings.filterwarnings("ignore")
import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np
import nutpie
from nutpie.compiled_pyfunc import from_pyfunc


def funnel(x):
    return -0.5 * (x[0] / 3) ** 2 - 0.5 * (len(x) - 1) * x[0] - 0.5 * jnp.exp(-x[0]) * jnp.sum(x[1:] ** 2)


def bananas(x):
    along, across = x[::2], x[1::2]
    return -0.5 * jnp.sum((along / 2) ** 2 + (across - 0.5 * (along**2 - 4)) ** 2)


#           target    log-density  d   draws  scale of the first feature, every so-manieth draw of the distance
TARGETS = {"funnel": (funnel, 10, 4000, 3.0, 8), "bananas": (bananas, 20, 2000, 2.0, 4)}
WARM_UP = 1500


def effective(values):
    """By the initial positive sequence of autocorrelations (Geyer 1992)."""
    n = len(values)
    centred = values - values.mean()
    covariance = lambda lag: float(centred[lag:] @ centred[: n - lag]) / n
    total, variance = 0.0, covariance(0)
    for pair in range(n // 2):
        both = covariance(2 * pair) + covariance(2 * pair + 1)
        if both <= 0:
            break
        total += both / variance
    return n / max(2 * total - 1, 1)


def ks_distance(values, scale):
    values = np.sort(values)
    cdf = np.array([0.5 * (1 + math.erf(x / scale / math.sqrt(2))) for x in values])
    n = len(values)
    return float(max((np.arange(1, n + 1) / n - cdf).max(), (cdf - np.arange(n) / n).max()))


def main():
    arguments = sys.argv[1:]
    seed = int(arguments.pop(arguments.index("--seed") + 1)) if "--seed" in arguments else 0
    names = [name for name in arguments if name != "--seed"] or list(TARGETS)
    for name in names:
        log_density, d, draws, scale, every = TARGETS[name]
        drawn = []

        def make_logp():
            both = jax.jit(jax.value_and_grad(log_density))

            def logp(x):
                value, gradient = both(x)
                return float(value), np.asarray(gradient)

            return logp

        def make_expand(*_):
            def expand(x):
                drawn.append(time.perf_counter())
                return {"x": np.asarray(x)}

            return expand

        model = from_pyfunc(
            d, make_logp, make_expand, [np.dtype("float64")], [(d,)], ["x"],
            make_initial_point_fn=lambda _: np.full(d, 0.1),
            raw_logp_fn=lambda x: (log_density(x),),
        ).with_transform_adapt()
        start = time.perf_counter()
        trace = nutpie.sample(model, draws=draws, tune=WARM_UP, chains=1, cores=1, seed=seed, transform_adapt=True,
                              progress_bar=False)
        assert len(drawn) == WARM_UP + draws, "a draw is expanded once"
        end = drawn[-1]
        warm = drawn[WARM_UP - 1]
        first = trace.posterior.x.values[0, :, 0]
        gradients = int(trace.sample_stats.n_steps.sum())
        of_warm_up = int(trace.warmup_sample_stats.n_steps.sum())
        print(json.dumps({
            "sampler": "nutpie", "target": name, "seed": seed, "draws": draws,
            "warm_up_s": round(warm - start, 2), "sampling_s": round(end - warm, 2),
            "gradients": gradients, "gradients_of_warm_up": of_warm_up,
            "us_per_gradient": round((end - warm) / gradients * 1e6, 1),
            "effective_per_gradient": round(effective(first) / gradients, 5),
            "ks_distance": round(ks_distance(first[::every], scale), 4),
            "ks_at_1_percent": round(1.628 / math.sqrt(len(first[::every])), 4),
            "divergences": int(trace.sample_stats.diverging.sum()),
        }), flush=True)


main()
