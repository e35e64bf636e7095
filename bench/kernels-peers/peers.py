"""The batch kernels beside numpy (OpenBLAS), Faiss and simsimd: ns a row, one thread, one process, interleaved, best of repeats.

    python3 -m venv v && v/bin/pip install numpy faiss-cpu simsimd
    cargo build --release --manifest-path bench/kernels-peers/Cargo.toml --target-dir target/kernels-peers
    v/bin/python bench/kernels-peers/peers.py target/kernels-peers/release/libtercet_kernels_peers.so [dims]
"""

import ctypes
import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import faiss
import numpy as np
import simsimd

ISAS = ["scalar", "avx2", "avx512"]
METRICS = ["dot", "l2", "cosine"]
REPEATS = 16

faiss.omp_set_num_threads(1)
library = ctypes.CDLL(sys.argv[1])
dims = int(sys.argv[2]) if len(sys.argv) > 2 else 384
library.batch.restype = ctypes.c_bool
library.batch.argtypes = [ctypes.c_uint32] * 2 + [ctypes.c_void_p] * 3 + [ctypes.c_size_t] * 2


def aligned(random, rows):
    """Rows at a multiple of 64 bytes, as they lie in an index."""
    raw = np.empty(rows * dims * 4 + 64, np.uint8)
    start = -raw.ctypes.data % 64
    out = raw[start : start + rows * dims * 4].view(np.float32).reshape(rows, dims)
    out[:] = random.standard_normal((rows, dims), dtype=np.float32)
    return out


def jobs(random, rows):
    x, q, out = aligned(random, rows), aligned(random, 1), np.empty(rows, np.float32)
    pointer = faiss.swig_ptr
    table = {
        "numpy sgemv": lambda: x @ q[0],
        "faiss inner product": lambda: faiss.fvec_inner_products_ny(pointer(out), pointer(q), pointer(x), dims, rows),
        "faiss L2": lambda: faiss.fvec_L2sqr_ny(pointer(out), pointer(q), pointer(x), dims, rows),
        "simsimd dot": lambda: simsimd.cdist(q, x, "dot"),
        "simsimd l2": lambda: simsimd.cdist(q, x, "sqeuclidean"),
        "simsimd cosine": lambda: simsimd.cdist(q, x, "cosine"),
    }
    for i, isa in enumerate(ISAS):
        for m, metric in enumerate(METRICS):
            run = lambda i=i, m=m: library.batch(i, m, q.ctypes.data, x.ctypes.data, out.ctypes.data, dims, rows)
            if run():
                table[f"tercet {isa} {metric}"] = run
    return table


best = {}
for rows in (1_000, 100_000):
    table = jobs(np.random.default_rng(0), rows)
    times = max(1, 20_000 // rows)
    for _ in range(REPEATS):
        for name, run in table.items():
            start = time.perf_counter()
            for _ in range(times):
                run()
            ns = (time.perf_counter() - start) / times / rows * 1e9
            best[name, rows] = min(best.get((name, rows), ns), ns)
print(f"| {dims} dims, ns a row | 1,000 rows | 100,000 rows |\n|---|---|---|")
for name in dict.fromkeys(name for name, _ in best):
    print(f"| {name} | {best[name, 1_000]:.1f} | {best[name, 100_000]:.1f} |")
