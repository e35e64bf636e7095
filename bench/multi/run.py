#!/usr/bin/env python3
"""Token vectors: MaxSim kernels, encodings, and searches beside numpy (and fast-plaid, by bench-peers/sparse/mv_plaid.py).

    python3 -m venv v && v/bin/pip install numpy onnxruntime tokenizers
    v/bin/python bench/multi/tokens.py OUT                                # SciFact through MiniLM
    cargo build --release --manifest-path bench/multi/Cargo.toml --target-dir target/multi
    taskset -c 1 v/bin/python bench/multi/run.py target/multi/release/libtercet_multi_bench.so OUT kernels|quality|speed|search|codecs

One thread; times are CPU seconds of this process, interleaved, the best of repeats.
"""
import ctypes, json, os, sys, time
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ.pop("OPENBLAS_CORETYPE", None)
import numpy as np

lib = ctypes.CDLL(sys.argv[1])
folder, part = sys.argv[2], sys.argv[3]
u, s, p, f, q64 = ctypes.c_uint32, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_float, ctypes.c_uint64
lib.multi_maxsim.argtypes = [u, p, s, s, p, p, p, p, p, s, p]; lib.multi_maxsim.restype = None
lib.multi_narrow.argtypes = [p, s, s, p, p, p]; lib.multi_narrow.restype = None
lib.multi_fde.argtypes = [ctypes.c_bool, s, u, u, u, u, u, q64, p, p, s, p]; lib.multi_fde.restype = ctypes.c_bool
lib.multi_build.argtypes = [s, u, u, u, u, u, u, u, u, p, p, s, p]; lib.multi_build.restype = p
lib.multi_free.argtypes = [p]
lib.multi_search.argtypes = [p, p, s, s, u, f, p, p]; lib.multi_search.restype = ctypes.c_bool

def load():
    if os.path.exists(f"{folder}/meta.json"):
        dims = json.load(open(f"{folder}/meta.json"))["dim"]
        read = lambda name: (np.fromfile(f"{folder}/{name}.f32", np.float32).reshape(-1, dims), np.fromfile(f"{folder}/{name}.off.i64", np.int64))
        qrels = json.load(open(f"{folder}/qrels.json"))
    else:
        read = lambda name: (np.load(f"{folder}/{name}.f16.npy").astype(np.float32), np.load(f"{folder}/{name}.offsets.npy").astype(np.int64))
        qrels = None
    return read("docs"), read("queries"), qrels

(X, xo), (Y, yo), qrels = load()
X = np.ascontiguousarray(X); Y = np.ascontiguousarray(Y)
D, N, Q = X.shape[1], len(xo) - 1, min(300, len(yo) - 1)
at = lambda a: a.ctypes.data
query = lambda i: np.ascontiguousarray(Y[yo[i]:yo[i + 1]])
print(f"{N} documents, {len(X)} tokens of {D}, {Q} queries of {yo[Q] / Q:.1f}", flush=True)

def numpy_exact(i): return np.maximum.reduceat(query(i) @ X.T, xo[:-1], axis=1).sum(0)

def truth():
    path = f"{folder}/truth.npy" if os.access(folder, os.W_OK) else "/tmp/truth.npy"
    if not os.path.exists(path): np.save(path, np.stack([numpy_exact(i) for i in range(Q)]))
    return np.load(path)

def clock(run, repeats=5):
    best = 1e9
    for _ in range(repeats):
        start = time.process_time(); run(); best = min(best, time.process_time() - start)
    return best

def kernels():
    halves, codes, scales = np.empty(X.shape, np.uint16), np.empty(X.shape, np.uint8), np.empty(len(X), np.float32)
    lib.multi_narrow(at(X), len(X), D, at(halves), at(codes), at(scales))
    out = np.empty(N, np.float32)
    print("| query tokens | numpy GEMM alone GFLOP/s | numpy GEMM + max | f32 | f16 | i8 | f32 / GEMM | i8 / f32 |\n|---|---|---|---|---|---|---|---|")
    small = int(np.searchsorted(xo, 60_000))
    for docs, where in ((small, "60k tokens"), (N, "all")):
        n = int(xo[docs])
        for nq in (16, 21, 32, 64):
            q = np.ascontiguousarray(Y[:nq]); XT = X[:n].T; flop = 2 * nq * n * D
            run = lambda kind: lib.multi_maxsim(kind, at(q), nq, D, at(X), at(halves), at(codes), at(scales), at(xo), docs, at(out))
            jobs = {"gemm": lambda: q @ XT, "gemm+max": lambda: np.maximum.reduceat(q @ XT, xo[:docs], axis=1).sum(0), "f32": lambda: run(0), "f16": lambda: run(1), "i8": lambda: run(2)}
            best = {k: 1e9 for k in jobs}
            for _ in range(4):
                for k, job in jobs.items(): best[k] = min(best[k], clock(job, 1))
            g = {k: flop / t / 1e9 for k, t in best.items()}
            print(f"| {nq}, {where} | {g['gemm']:.0f} | {g['gemm+max']:.0f} | {g['f32']:.0f} | {g['f16']:.0f} | {g['i8']:.0f} | {g['f32'] / g['gemm']:.2f} | {g['i8'] / g['f32']:.2f} |", flush=True)

POINTS = [(20, 3, 8, 0), (20, 4, 8, 0), (20, 5, 8, 0), (20, 5, 16, 0), (20, 5, 32, 0)]

def encode(of_query, vectors, ends, count, r, k, kind, to, fold, seed=0):
    out = np.full((count, fold or r * 2**k * (to if kind else D)), 1, np.float32)  # every page is there before the clock starts
    run = lambda sets: lib.multi_fde(of_query, D, r, k, kind, to, fold, seed, at(vectors), at(ends), sets, at(out))
    drawn = clock(lambda: run(0), 2); start = time.process_time(); assert run(count)
    return out, (time.process_time() - start - drawn) * 1e9

def quality():
    exact = truth(); order = np.argsort(-exact, axis=1, kind="stable")
    print("| dims (R, k, projection) | kind | exact top 10 in top 100 | best in top 10 | correlation | ms a document | exact top 10 in top 400 |\n|---|---|---|---|---|---|---|")
    for r, k, to, fold in POINTS + [(20, 5, D, 10_240)]:
        for kind, name in ((1, "dense"), (2, "sketch")) if to < D else ((0, "none, folded"),):
            rows = []
            for seed in ((0, 1) if to < D else (0,)):
                docs, ns = encode(False, X, xo, N, r, k, kind, to, fold, seed); qs, _ = encode(True, Y, yo, Q, r, k, kind, to, fold, seed)
                got = qs @ docs.T; top = np.argsort(-got, axis=1, kind="stable")
                share = lambda n: np.mean([len(np.intersect1d(order[i, :10], top[i, :n])) / 10 for i in range(Q)])
                rows.append((share(100), np.mean([order[i, 0] in top[i, :10] for i in range(Q)]), np.mean([np.corrcoef(got[i], exact[i])[0, 1] for i in range(Q)]), ns / N / 1e6, share(400)))
            m = np.mean(rows, axis=0)
            print(f"| {fold or r * 2**k * to} ({r}, {k}, {to}) | {name} | {m[0]:.3f} | {m[1]:.2f} | {m[2]:.2f} | {min(row[3] for row in rows):.3f} | {m[4]:.3f} |", flush=True)

def speed():
    n = 300
    for kind, name in ((1, "dense"), (2, "sketch")):
        best = min(encode(False, X, xo, n, 20, 5, kind, 16, 0)[1] for _ in range(8)) / n / 1e6
        print(f"(20, 5, 16) {name}: {best:.4f} ms a document of {xo[n] / n:.0f} tokens; query {min(encode(True, Y, yo, Q, 20, 5, kind, 16, 0)[1] for _ in range(8)) / Q / 1e3:.1f} us")

def run_search(index, k, candidates, carve=0.0):
    rows, scores = np.empty((Q, k), np.uint32), np.empty((Q, k), np.float32); times = np.full(Q, 1e18)
    for _ in range(3):
        for i in range(Q):
            q = query(i); start = time.process_time(); assert lib.multi_search(index, at(q), len(q), k, candidates, carve, at(rows[i]), at(scores[i])); times[i] = min(times[i], time.process_time() - start)
    return rows, scores, times * 1e3

def built(codec, *rest):
    size = np.zeros(1, np.uint64); start = time.process_time()
    index = lib.multi_build(D, codec, *rest, at(X), at(xo), N, at(size))
    return index, time.process_time() - start, int(size[0])

def recall(rows, order): return np.mean([len(np.intersect1d(order[i, :10], rows[i])) / 10 for i in range(Q)])

def search():
    order = np.argsort(-truth(), axis=1, kind="stable")
    numpy_ms = min(clock(lambda: [numpy_exact(i) for i in range(0, Q, 10)], 1) / len(range(0, Q, 10)) for _ in range(3)) * 1e3
    print(f"numpy exact: {numpy_ms:.0f} ms a query\n| index | build s | MB | candidates | recall@10 | ms a query | numpy / this |\n|---|---|---|---|---|---|---|")
    for name, codec, rest, ladder in (
        ("f32", 32, (1, 0, 0, 0, 0, 0, 0), ((0, 0),)), ("i8", 8, (1, 0, 0, 0, 0, 0, 0), ((0, 0), (0, 0.7))),
        ("i8 + 5,120 flat lvq8", 8, (1, 20, 5, 1, 8, 0, 1), ((128, 0), (256, 0))),
        ("i8 + 10,240 flat lvq8", 8, (1, 20, 5, 1, 16, 0, 1), ((128, 0), (192, 0), (256, 0), (384, 0))),
        ("i8 + 10,240 rabitq 1 bit", 8, (1, 20, 5, 1, 16, 0, 3), ((128, 0), (192, 0), (256, 0), (384, 0))),
        ("i8 + 10,240 pq 4 bits of 16", 8, (1, 20, 5, 1, 16, 0, 4), ((128, 0), (192, 0), (256, 0), (384, 0))),
        ("i8 + centroids", 8, (1, 0, 0, 0, 0, 0, 9), ((16, 0), (32, 0), (48, 0), (64, 0), (96, 0), (128, 0), (256, 0))),
        ("2 bits + centroids", 2, (1, 0, 0, 0, 0, 0, 9), ((32, 0), (64, 0), (128, 0), (0, 0))),
    ):
        if len(sys.argv) > 4 and sys.argv[4] not in name: continue
        index, seconds, size = built(codec, *rest)
        for candidates, carve in ladder:
            rows, _, ms = run_search(index, 10, candidates, carve)
            print(f"| {name}{' carved' if carve else ''} | {seconds:.1f} | {size / 1e6:.0f} | {candidates or 'all'} | {recall(rows, order):.3f} | {ms.mean():.2f} | {numpy_ms / ms.mean():.0f} |", flush=True)
        lib.multi_free(index)

def ndcg(rows, k=10):
    if qrels is None: return float("nan")
    total = 0.0
    for i in range(Q):
        right = set(qrels[i]); gain = sum(1 / np.log2(rank + 2) for rank, row in enumerate(rows[i][:k]) if int(row) in right)
        total += gain / sum(1 / np.log2(rank + 2) for rank in range(min(k, len(right))))
    return total / Q

def codecs():
    order = np.argsort(-truth(), axis=1, kind="stable")
    print("| codec | pool | bytes a token | recall@10 of f32 | nDCG@10 | ms a query |\n|---|---|---|---|---|---|")
    for codec in (32, 16, 8, 4, 2, 1):
        for pool in (1, 2, 3) if codec == 8 else (1,):
            index, _, size = built(codec, pool, 0, 0, 0, 0, 0, 0)
            rows, _, ms = run_search(index, 10, 0)
            print(f"| {codec} | {pool} | {size / len(X):.1f} | {recall(rows, order):.3f} | {ndcg(rows):.4f} | {ms.mean():.1f} |", flush=True)
            lib.multi_free(index)

{"kernels": kernels, "quality": quality, "speed": speed, "search": search, "codecs": codecs}[part]()
