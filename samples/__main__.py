"""``python -m samples``: write the sample brand next to this file, the same bytes every time."""

from __future__ import annotations

import json
from pathlib import Path

from samples.simulate import simulate


def main() -> None:
    here = Path(__file__).parent
    brand = simulate()
    (here / "brand.csv").write_text(brand.csv, encoding="utf-8")
    for name, content in (("spec", brand.spec), ("truth", brand.truth)):
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        (here / f"brand_{name}.json").write_text(text, encoding="utf-8")
    optimum = brand.truth["optimum"]["last_year_mean"]
    print(f"brand.csv: {brand.truth['periods']} periods, {len(brand.truth['channels'])} channels")
    print(f"the best plan of last year's money brings {optimum['lift']:.1%} more from media")


if __name__ == "__main__":
    main()
