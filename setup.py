"""The one thing that pyproject.toml cannot say: a C extension that may fail to build; numel then counts in numpy."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "numel.kernels.native",
            [f"src/numel/kernels/{name}.c" for name in ("native", "histogram", "summary")],
            depends=["src/numel/kernels/columns.h"],
            # fused multiplications would round otherwise than numpy does
            extra_compile_args=["-O3", "-std=gnu11", "-ffp-contract=off", "-Wall", "-Wextra", "-Wno-psabi"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
