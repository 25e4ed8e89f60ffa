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


FILES = {"nflows_lu.json": nflows_lu}


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
