"""What each pattern of the narrow types means: as torch decodes it."""

import numpy as np
import pytest

from numel.statistics.decode import ONE_BYTE, values_of

torch = pytest.importorskip("torch")
KNOWN = {
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "F8_E8M0": torch.float8_e8m0fnu,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BF16": torch.bfloat16,
    "F16": torch.float16,
    "I16": torch.int16,
}


@pytest.mark.parametrize("dtype", KNOWN)
def test_every_pattern_means_what_torch_says(dtype):
    if dtype in ONE_BYTE:
        patterns = torch.arange(256, dtype=torch.uint8)
    else:
        patterns = torch.from_numpy(np.arange(65536, dtype=np.uint16).view(np.int16).copy())
    expected = patterns.view(KNOWN[dtype]).to(torch.float32).to(torch.float64).numpy()
    np.testing.assert_array_equal(values_of(dtype), expected)
