//! Speed and recall of an inverted file on a real collection, one query a call, by CPU time.
//! `lists BASE DIMS METRIC GT QUERY key=value..`; raw little-endian files: f32 (or u8 by `type=u8`), i32 neighbours, 10 a query.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a program to measure with")]

use tercet_index::{
    Codec, Counters, DenseInput, DenseReader, DenseSearch, DenseSpec, Effort, MemorySections, Metric, Reduce,
    Rerank, Rotate, TopK, Values, Work, dense_kind,
};

struct Args(Vec<String>);

impl Args {
    fn get(&self, key: &str, usual: &str) -> String {
        let of = |arg: &String| arg.strip_prefix(key)?.strip_prefix('=').map(str::to_owned);
        self.0.iter().find_map(of).unwrap_or(usual.to_owned())
    }

    fn number(&self, key: &str) -> u32 {
        self.get(key, "0").parse().expect("number")
    }

    fn numbers(&self, key: &str, usual: &str) -> Vec<u32> {
        self.get(key, usual).split(',').map(|number| number.parse().expect("number")).collect()
    }
}

fn spec(args: &Args, dims: usize) -> DenseSpec {
    let metric = match args.0[3].as_str() {
        "l2" => Metric::L2,
        "cosine" => Metric::Cosine,
        _ => Metric::Dot,
    };
    let mut spec = DenseSpec::new(dims, metric);
    let bits = args.get("bits", "4").parse::<u8>().expect("bits");
    spec.options.codec = match args.get("codec", "pq").as_str() {
        "pq" => Codec::Pq { m: args.number("m") as u16, bits },
        "rabitq" => Codec::RaBitQ { bits },
        "binary" => Codec::Binary,
        "lvq8" => Codec::Lvq8,
        "lvq4" => Codec::Lvq4x8,
        "f16" => Codec::F16,
        _ => Codec::F32,
    };
    let ivf = &mut spec.options.ivf;
    ivf.lists = args.number("lists");
    ivf.spill = args.number("spill") == 1;
    ivf.balance = args.number("balance") == 1;
    ivf.residual = match args.get("residual", "").as_str() {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    };
    ivf.rotate = match args.get("rotate", "auto").as_str() {
        "none" => Rotate::None,
        "random" => Rotate::Random,
        "opq" => Rotate::Opq,
        _ => Rotate::Auto,
    };
    ivf.rerank = match args.get("rerank", "auto").as_str() {
        "none" => Rerank::None,
        "lvq8" => Rerank::Lvq8,
        "vectors" => Rerank::Vectors,
        _ => Rerank::Auto,
    };
    spec.options.keep = args.get("keep", "1") == "1";
    if args.number("pca") > 0 {
        spec.options.reduce = Reduce::Pca(args.number("pca"));
    }
    spec
}

fn read<T: bytemuck::AnyBitPattern>(path: &str) -> Vec<T> {
    let bytes = std::fs::read(path).expect("file");
    bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
}

fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").expect("schedstat");
    stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn main() {
    let args = Args(std::env::args().collect());
    let dims: usize = args.0[2].parse().expect("dims");
    let truth: Vec<i32> = read(&args.0[4]);
    let bytes = args.get("type", "f32") == "u8";
    let (base, queries, base8, queries8);
    let (base, queries) = if bytes {
        (base8, queries8) = (read::<u8>(&args.0[1]), read::<u8>(&args.0[5]));
        (Values::U8(&base8), Values::U8(&queries8))
    } else {
        (base, queries) = (read::<f32>(&args.0[1]), read::<f32>(&args.0[5]));
        (Values::F32(&base), Values::F32(&queries))
    };
    let count = base.len() / dims;
    let mut spec = spec(&args, dims);
    spec.dtype = base.dtype();
    let kind = dense_kind(&args.get("kind", "ivf")).expect("kind");
    let begun = cpu();
    let input = DenseInput { rows: count as u32, present: None, values: base, queries: None };
    let sections = (kind.build)(&spec, &input, &Work::inline()).expect("build");
    let built = cpu() - begun;
    let reader = (kind.open)(&spec, count as u32, &MemorySections::new(&sections)).expect("open");
    let size: usize = sections.iter().filter(|s| s.0 != "values").map(|s| s.1.len()).sum();
    println!(
        "build {built:.2} s, {:.1} B/row beside vectors, {:?}",
        size as f64 / count as f64,
        reader.facts()
    );
    for candidates in args.numbers("candidates", "30,60,100,200") {
        for lists in args.numbers("probes", "8,16,24,32,48,64,96,128,192") {
            let effort =
                if lists == 0 { Effort::Ef(candidates) } else { Effort::Probes { lists, candidates } };
            measure(reader.as_ref(), queries, dims, &truth, effort);
        }
    }
}

fn measure(reader: &dyn DenseReader, queries: Values<'_>, dims: usize, truth: &[i32], effort: Effort) {
    let n = queries.len() / dims;
    let mut best = f64::INFINITY;
    let (mut hits, mut counters) = (0, Counters::default());
    for _ in 0..3 {
        (hits, counters) = (0, Counters::default());
        let begun = cpu();
        for at in 0..n {
            let query = queries.at(at, dims).expect("query");
            let mut top = TopK::new(10);
            let search = DenseSearch { effort, ..DenseSearch::new(query) };
            reader.search(&search, &mut top, &mut counters).expect("search");
            let truth = &truth[at * 10..at * 10 + 10];
            hits += top.into_sorted().iter().filter(|hit| truth.contains(&(hit.row as i32))).count();
        }
        best = best.min(cpu() - begun);
    }
    println!(
        "{effort:?} recall {:.4} qps {:.0} scored {:.0}",
        hits as f64 / (n * 10) as f64,
        n as f64 / best,
        counters.vectors_scored as f64 / n as f64
    );
}
