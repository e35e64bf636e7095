"""Recall of Faiss's codes alone, at given bytes a vector: codes.py DATA 32,48,96 prints one JSON line.

Every list is scanned and nothing is ranked again, so that what is compared is the codes: product quantization of 8 and 4 bits, of
the residual, with and without a rotation fitted to it (OPQ)."""
import json, sys
import faiss, numpy as np

data, budgets = sys.argv[1], [int(b) for b in sys.argv[2].split(",")]
meta = json.load(open(data + "/meta.json"))
X, Q, GT, K = np.load(data + "/base.npy"), np.load(data + "/query.npy"), np.load(data + "/gt.npy"), 10
metric = faiss.METRIC_INNER_PRODUCT if meta["metric"] == "ip" else faiss.METRIC_L2
L = 1 << round(np.log2(3 * meta["n"] ** .5))
faiss.omp_set_num_threads(1)
found = []
for bytes_ in budgets:
    for bits in (8, 4):
        m = bytes_ * 8 // bits
        if meta["dim"] % m:
            continue
        for opq in (True, False):
            spec = (f"OPQ{m}," if opq else "") + f"IVF{L},PQ{m}x{bits}" + ("np" if bits == 8 else "")
            index = faiss.index_factory(meta["dim"], spec, metric)
            index.train(X)
            index.add(X)
            faiss.extract_index_ivf(index).nprobe = L
            ids = index.search(Q, K)[1]
            recall = np.mean([len(np.intersect1d(a[:K], b[:K])) for a, b in zip(ids, GT)]) / K
            found.append(dict(name=spec, bytes=bytes_, recall=round(float(recall), 4)))
print("RESULT " + json.dumps(dict(codes=found)))
