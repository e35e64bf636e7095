#!/usr/bin/env python3
"""fast-plaid (PyPI) on the token vectors of tokens.py: plaid.py OUT [queries]. One thread, CPU seconds of this process.

    python3 -m venv v && v/bin/pip install fast-plaid
"""
import json, os, shutil, sys, tempfile, time
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", RAYON_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
import numpy as np, torch, importlib.metadata
torch.set_num_threads(1)
from fast_plaid import search

def main():
    folder, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100
    dims = json.load(open(f"{folder}/meta.json"))["dim"]
    read = lambda name: (np.fromfile(f"{folder}/{name}.f32", np.float32).reshape(-1, dims), np.fromfile(f"{folder}/{name}.off.i64", np.int64))
    (X, xo), (Y, yo) = read("docs"), read("queries")
    order = np.argsort(-np.load(f"{folder}/truth.npy"), axis=1, kind="stable")
    path = tempfile.mkdtemp(); start = time.process_time(); wall = time.perf_counter()
    index = search.FastPlaid(index=path, device="cpu")
    index.create(documents_embeddings=[torch.from_numpy(X[a:b]) for a, b in zip(xo, xo[1:])], nbits=4)
    print(f"fast-plaid {importlib.metadata.version('fast-plaid')}: built in {time.process_time() - start:.0f} CPU s ({time.perf_counter() - wall:.0f} s)", flush=True)
    print("| probe | full scores | recall@10 | ms a query (CPU) |\n|---|---|---|---|")
    for probe, full in ((1, 256), (4, 1024), (8, 4096), (16, 4096), (64, 8192)):
        found, times = [], []
        for q in range(count):
            tokens = torch.from_numpy(Y[yo[q]:yo[q + 1]][None]); best = 1e9
            for _ in range(2):
                start = time.process_time()
                hits = index.search(queries_embeddings=tokens, top_k=10, n_ivf_probe=probe, n_full_scores=full, show_progress=False)[0]
                best = min(best, time.process_time() - start)
            times.append(best); found.append(len(np.intersect1d(order[q, :10], [h[0] for h in hits])) / 10)
        print(f"| {probe} | {full} | {np.mean(found):.3f} | {np.mean(times) * 1e3:.1f} |", flush=True)
    shutil.rmtree(path)

if __name__ == "__main__": main()
