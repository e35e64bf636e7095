#!/usr/bin/env python3
"""fast-plaid (PyPI) on the token vectors of tokens.py, and beside it, in the same process, the index of this repository.

    python3 -m venv v && v/bin/pip install numpy fast-plaid
    v/bin/python bench/multi/plaid.py OUT target/multi/release/libtercet_multi_bench.so [--share 4] [--threads 1]

The first documents, one of `share` of all. CPU seconds of this process, of all its threads; ours run on one. `truth.npy` comes from
`run.py ... search`.
"""
import argparse, ctypes, importlib.metadata, json, os, shutil, tempfile, time
args = argparse.ArgumentParser()
args.add_argument("folder")
args.add_argument("library")
args.add_argument("--share", type=int, default=1)
args.add_argument("--threads", type=int, default=1)
args = args.parse_args()
os.environ.update({name: str(args.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")}, CUDA_VISIBLE_DEVICES="")
import numpy as np

dims = json.load(open(f"{args.folder}/meta.json"))["dim"]
read = lambda name: (np.fromfile(f"{args.folder}/{name}.f32", np.float32).reshape(-1, dims), np.fromfile(f"{args.folder}/{name}.off.i64", np.int64))
(X, xo), (Y, yo) = read("docs"), read("queries")
docs, count = (len(xo) - 1) // args.share, len(yo) - 1
xo = np.ascontiguousarray(xo[:docs + 1]); X = np.ascontiguousarray(X[:xo[-1]])
order = np.argsort(-np.load(f"{args.folder}/truth.npy")[:, :docs], axis=1, kind="stable")[:, :10]
print(f"{docs} documents, {len(X)} tokens of {dims}, {count} queries of {yo[count] / count:.1f}", flush=True)

def measured(name, seconds, search):
    """The mean of each query's best of three, and the share of the true ten that was found."""
    found, times = [], np.full(count, 1e18)
    for repeat in range(3):
        for q in range(count):
            start = time.process_time(); rows = search(q); times[q] = min(times[q], time.process_time() - start)
            if repeat == 0: found.append(len(np.intersect1d(order[q], rows)) / 10)
    print(f"| {name} | {seconds:.1f} | {np.mean(found):.3f} | {times.mean() * 1e3:.2f} | {1 / times.mean():.0f} |", flush=True)

def ours():
    lib = ctypes.CDLL(args.library)
    u, s, p = ctypes.c_uint32, ctypes.c_size_t, ctypes.c_void_p
    lib.multi_build.argtypes = [s, u, u, u, u, u, u, u, u, p, p, s, p]; lib.multi_build.restype = p
    lib.multi_search.argtypes = [p, p, s, s, u, ctypes.c_float, p, p]; lib.multi_search.restype = ctypes.c_bool
    at = lambda a: a.ctypes.data
    rows, scores, size = np.empty(10, np.uint32), np.empty(10, np.float32), np.zeros(1, np.uint64)
    queries = [np.ascontiguousarray(Y[a:b]) for a, b in zip(yo, yo[1:])]
    for name, codec in (("i8", 8), ("4 bits", 4)):
        start = time.process_time()
        index = lib.multi_build(dims, codec, 1, 0, 0, 0, 0, 0, 9, at(X), at(xo), docs, at(size))
        seconds = time.process_time() - start
        for candidates in (16, 32, 48, 64, 96, 128, 192, 256, 0):
            def search(q):
                assert lib.multi_search(index, at(queries[q]), len(queries[q]), 10, candidates, 0.0, at(rows), at(scores))
                return rows
            measured(f"tercet {name}, centroids, {candidates or 'all'} candidates, {size[0] / 1e6:.0f} MB", seconds, search)

def theirs():
    import torch
    torch.set_num_threads(args.threads)
    from fast_plaid import search
    path = tempfile.mkdtemp(); start = time.process_time(); wall = time.perf_counter()
    index = search.FastPlaid(index=path, device="cpu")
    index.create(documents_embeddings=[torch.from_numpy(X[a:b]) for a, b in zip(xo, xo[1:])], nbits=4)
    seconds = time.process_time() - start
    print(f"fast-plaid built in {time.perf_counter() - wall:.0f} s of the clock", flush=True)
    tokens = [torch.from_numpy(Y[a:b][None].copy()) for a, b in zip(yo, yo[1:])]
    for probe, full in ((1, 256), (2, 512), (4, 1024), (8, 4096), (16, 4096), (64, 8192)):
        def once(q):
            hits = index.search(queries_embeddings=tokens[q], top_k=10, n_ivf_probe=probe, n_full_scores=full, show_progress=False)[0]
            return [hit[0] for hit in hits]
        measured(f"fast-plaid {importlib.metadata.version('fast-plaid')}, {probe} probes, {full} full scores", seconds, once)
    shutil.rmtree(path)

if __name__ == "__main__":
    print("| index | build CPU s | recall@10 | CPU ms a query | a second |\n|---|---:|---:|---:|---:|")
    theirs()
    ours()
