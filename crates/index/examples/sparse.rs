//! Measures sparse search on a raw set: `sparse DIR [kind] [repeats] [setting] [hits]`. DIR holds docs.indptr.i64, docs.indices.i32,
//! docs.data.u8, the same for queries, and gt_scores.u32, gt_ids.u32 (the best 1,000 of each query). The setting is the
//! rows of a block of `lists`, or the postings of a list of `seismic`; 0: the usual. `hits` is a file for the best 10 rows of
//! each query, exact or with the usual effort. Prints JSON lines; bench/sparse.mjs reads them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::time::Instant;
use std::{env, fs};
use tercet_index::{
    Counters, MemorySections, Slack, SparseEffort, SparseInput, SparseReader, SparseSearch, SparseSpec, TopK,
    Work, sparse_kind,
};

struct Csr {
    ends: Vec<u64>,
    terms: Vec<u32>,
    weights: Vec<f32>,
}

fn words<const N: usize, T>(path: &str, of: fn([u8; N]) -> T) -> Vec<T> {
    fs::read(path).unwrap().as_chunks::<N>().0.iter().map(|&bytes| of(bytes)).collect()
}

impl Csr {
    fn load(path: &str) -> Csr {
        let ends = words(&format!("{path}.indptr.i64"), u64::from_le_bytes)[1..].to_vec();
        let terms = words(&format!("{path}.indices.i32"), u32::from_le_bytes);
        let weights = fs::read(format!("{path}.data.u8")).unwrap().into_iter().map(f32::from).collect();
        Csr { ends, terms, weights }
    }

    fn row(&self, at: usize) -> Vec<(u32, f32)> {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        let range = start..self.ends[at] as usize;
        let mut row: Vec<_> = range.map(|at| (self.terms[at], self.weights[at])).collect();
        row.sort_unstable_by_key(|&(term, _)| term);
        row
    }
}

struct Truth {
    scores: Vec<u32>,
    rows: Vec<u32>,
}

fn measure(
    reader: &dyn SparseReader,
    queries: &[Vec<(u32, f32)>],
    truth: &Truth,
    k: usize,
    repeats: usize,
    effort: SparseEffort,
) {
    let mut best = vec![f64::MAX; queries.len()];
    let (mut exact, mut found, mut counters) = (0, 0, Counters::default());
    let mut paths = std::collections::BTreeMap::new();
    for repeat in 0..repeats {
        for (at, query) in queries.iter().enumerate() {
            let search = SparseSearch { effort, ..SparseSearch::new(query) };
            let (mut top, start) = (TopK::new(k), Instant::now());
            let mut unused = Counters::default();
            let counters = if repeat == 0 { &mut counters } else { &mut unused };
            let answered = reader.search(&search, &mut top, counters).unwrap();
            let hits = top.into_sorted();
            best[at] = best[at].min(start.elapsed().as_nanos() as f64 / 1e3);
            if repeat == 0 {
                *paths.entry(answered.path.name()).or_insert(0) += 1;
                let (scores, rows) = (&truth.scores[at * 1000..][..k], &truth.rows[at * 1000..][..k]);
                let same = hits.iter().zip(scores.iter().zip(rows));
                exact += usize::from(
                    hits.len() == k
                        && same.clone().all(|(hit, (&s, &r))| hit.score == s as f32 && hit.row == r),
                );
                found += hits.iter().filter(|hit| hit.score >= scores[k - 1] as f32).count();
            }
        }
    }
    let mean = best.iter().sum::<f64>() / best.len() as f64;
    best.sort_by(f64::total_cmp);
    let (p50, p99) = (best[best.len() / 2], best[best.len() * 99 / 100]);
    let count = queries.len() as u64;
    println!(
        "{{\"engine\":\"tercet\",\"k\":{k},\"effort\":\"{effort:?}\",\"mean_us\":{mean:.1},\"p50_us\":{p50:.1},\"p99_us\":{p99:.1},\"exact\":{exact},\"of\":{count},\"recall\":{:.4},\"paths\":{paths:?},\"postings\":{},\"rows\":{},\"blocks_bounded\":{},\"blocks_scored\":{}}}",
        found as f64 / (count * k as u64) as f64,
        counters.postings_scored / count,
        counters.vectors_scored / count,
        counters.blocks_bounded / count,
        counters.blocks_scored / count,
    );
}

fn write_hits(path: &str, reader: &dyn SparseReader, queries: &[Vec<(u32, f32)>]) {
    let mut bytes = Vec::new();
    for query in queries {
        let search = SparseSearch { effort: SparseEffort::Usual, ..SparseSearch::new(query) };
        let mut top = TopK::new(10);
        reader.search(&search, &mut top, &mut Counters::default()).unwrap();
        let hits = top.into_sorted().into_iter().map(|hit| hit.row).chain(std::iter::repeat(u32::MAX));
        hits.take(10).for_each(|row| bytes.extend_from_slice(&row.to_le_bytes()));
    }
    fs::write(path, bytes).unwrap();
}

fn main() {
    let args: Vec<String> = env::args().collect();
    let dir = &args[1];
    let name = args.get(2).map_or("lists", |name| name.as_str());
    let repeats = args.get(3).map_or(3, |repeats| repeats.parse().unwrap());
    let setting: u32 = args.get(4).map_or(0, |setting| setting.parse().unwrap());
    let (docs, queries) = (Csr::load(&format!("{dir}/docs")), Csr::load(&format!("{dir}/queries")));
    let truth = Truth {
        scores: words(&format!("{dir}/gt_scores.u32"), u32::from_le_bytes),
        rows: words(&format!("{dir}/gt_ids.u32"), u32::from_le_bytes),
    };
    let rows = docs.ends.len() as u32;
    let (kind, usual) = (sparse_kind(name).unwrap(), SparseSpec::default());
    let block = if setting > 0 && name == "lists" { setting } else { usual.block };
    let spec = SparseSpec { block, listed: setting, ..usual };
    let input =
        SparseInput { rows, present: None, ends: &docs.ends, terms: &docs.terms, weights: &docs.weights };
    let start = Instant::now();
    let sections = (kind.build)(&spec, &input, &Work::inline()).unwrap();
    let build = start.elapsed().as_secs_f64();
    let bytes: usize = sections.iter().map(|(_, bytes)| bytes.len()).sum();
    println!(
        "{{\"engine\":\"tercet\",\"kind\":\"{name}\",\"rows\":{rows},\"build_s\":{build:.2},\"bytes\":{bytes},\"bytes_per_posting\":{:.3}}}",
        bytes as f64 / docs.terms.len() as f64
    );
    let reader = (kind.open)(&spec, rows, &MemorySections::new(&sections)).unwrap();
    drop(sections);
    let queries: Vec<_> = (0..queries.ends.len()).map(|at| queries.row(at)).collect();
    let run = |k: usize, effort| measure(reader.as_ref(), &queries, &truth, k, repeats, effort);
    if let Some(path) = args.get(5) {
        write_hits(path, reader.as_ref(), &queries);
    }
    if kind.capabilities.exact {
        [10, 1000].into_iter().for_each(|k| run(k, SparseEffort::Exact));
        let all = Slack::default();
        [4, 8, 16, 32, 64].into_iter().for_each(|ef| run(10, SparseEffort::Ef(ef)));
        [0.9, 0.8, 0.7].into_iter().for_each(|alpha| run(10, SparseEffort::Slack(Slack { alpha, ..all })));
    } else {
        run(10, SparseEffort::Usual);
        [24, 32, 48, 64, 80, 96, 128, 192, 256, 384].into_iter().for_each(|ef| run(10, SparseEffort::Ef(ef)));
        [1_000, 2_000, 4_000].into_iter().for_each(|ef| run(1000, SparseEffort::Ef(ef)));
    }
}
