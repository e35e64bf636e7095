#!/usr/bin/env python3
"""Token vectors of SciFact: tokens.py OUT [--data ../shared/data/scifact] [--model ../shared/models/minilm]

Needs numpy, onnxruntime and tokenizers (PyPI). The last hidden states of MiniLM, unit length, at most 180 tokens a text,
384 dimensions; title and abstract of every document, the first 100 judged test queries. Writes what
`bench-peers/sparse/mv_plaid.py` reads too: meta.json, docs.f32, docs.off.i64, queries.f32, queries.off.i64, qrels.json.
"""
import argparse, json, os
import numpy as np, onnxruntime, tokenizers

def encode(texts, tokenizer, session, batch=16):
    """Texts of like length together; what comes back is in the order that was given."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out = [None] * len(texts)
    names = {i.name for i in session.get_inputs()}
    for at in range(0, len(order), batch):
        picked = order[at:at + batch]
        encoded = tokenizer.encode_batch([texts[i] for i in picked])
        feed = {"input_ids": np.array([e.ids for e in encoded], np.int64),
                "attention_mask": np.array([e.attention_mask for e in encoded], np.int64)}
        feed["token_type_ids"] = np.zeros_like(feed["input_ids"])
        hidden = session.run(None, {k: v for k, v in feed.items() if k in names})[0]
        for i, e, h in zip(picked, encoded, hidden):
            h = h[:sum(e.attention_mask)]
            out[i] = (h / np.linalg.norm(h, axis=1, keepdims=True)).astype(np.float32)
        if at // batch % 64 == 0: print(at, "of", len(order), flush=True)
    return out

def write(folder, name, vectors):
    np.concatenate([[0], np.cumsum([len(v) for v in vectors])]).astype(np.int64).tofile(f"{folder}/{name}.off.i64")
    np.concatenate(vectors).tofile(f"{folder}/{name}.f32")
    print(name, len(vectors), "texts", sum(len(v) for v in vectors), "tokens", flush=True)

def main():
    args = argparse.ArgumentParser()
    args.add_argument("out")
    args.add_argument("--data", default="../shared/data/scifact")
    args.add_argument("--model", default="../shared/models/minilm")
    args.add_argument("--tokens", type=int, default=180)
    args = args.parse_args()
    os.makedirs(args.out, exist_ok=True)
    tokenizer = tokenizers.Tokenizer.from_file(f"{args.model}/tokenizer.json")
    tokenizer.enable_truncation(args.tokens)
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(f"{args.model}/model.onnx", options, providers=["CPUExecutionProvider"])
    lines = lambda name: [json.loads(line) for line in open(f"{args.data}/{name}", encoding="utf-8")]
    documents = lines("corpus.jsonl")
    qrels = {}
    for line in open(f"{args.data}/qrels/test.tsv", encoding="utf-8").read().splitlines()[1:]:
        query, document, score = line.split("\t")
        if float(score) > 0: qrels.setdefault(query, []).append(document)
    queries = [q for q in lines("queries.jsonl") if q["_id"] in qrels][:100]
    write(args.out, "queries", encode([q["text"] for q in queries], tokenizer, session))
    write(args.out, "docs", encode([f"{d['title']} {d['text']}".strip() for d in documents], tokenizer, session))
    row = {d["_id"]: i for i, d in enumerate(documents)}
    json.dump([[row[d] for d in qrels[q["_id"]] if d in row] for q in queries], open(f"{args.out}/qrels.json", "w"))
    json.dump({"dim": 384, "docs": len(documents), "queries": len(queries)}, open(f"{args.out}/meta.json", "w"))

if __name__ == "__main__": main()
