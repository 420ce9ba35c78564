"""Keys of recipes that say tube and scatter, and recipes without them, which stay what they were."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from xsim.errors import PhysicsRangeError, UnknownNameError
from xsim.spectrum import bearable_spot_mm
from xsim_datasets.recipe.imaging import Imaging, setup_of


def setup(**keys: Any) -> Any:
    return setup_of(Imaging(**keys).drawn(1, 0))


def test_a_recipe_that_says_nothing_of_them_is_written_as_before() -> None:
    content = Imaging().model_dump(mode="json")
    assert not {"target", "transmission_um", "tube_power_W", "scatter"} & set(content)
    usual = setup().to_dict()
    assert set(usual["spectrum"]) == {"kvp", "filters", "anode_angle_deg", "model"}
    assert "by_material" not in usual["scatter"]


def test_the_tube_is_the_recipes() -> None:
    found = setup(kvp=40.0, target="Mo", filters=[{"material": "Mo", "thickness_mm": 0.03}])
    assert found.spectrum.target == "Mo"
    thin = Imaging(kvp=90.0, transmission_um={"low": 3.0, "high": 6.0})
    assert 3.0 <= setup_of(thin.drawn(1, 0)).spectrum.transmission_um <= 6.0
    assert Imaging(**thin.model_dump(mode="json")) == thin
    with pytest.raises(PhysicsRangeError, match="ends at 50 kV"):
        setup(kvp=70.0, target="Mo")
    with pytest.raises(UnknownNameError, match="target"):
        setup(target="Unobtainium")


def test_power_widens_the_spot_that_would_melt() -> None:
    assert setup(tube_power_W=20.0, focal_spot_mm=0.005).geometry.focal_spot_mm == bearable_spot_mm(20.0)
    assert setup(tube_power_W=1.0, focal_spot_mm=0.005).geometry.focal_spot_mm == 0.005
    assert setup(focal_spot_mm=0.005).geometry.focal_spot_mm == 0.005


def test_scatter_by_material_is_a_key() -> None:
    assert setup(scatter={"by_material": True}).scatter.by_material
    with pytest.raises(ValidationError):
        Imaging(scatter={"by_material": 2.0})  # type: ignore[arg-type]
