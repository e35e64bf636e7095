//! Speed of analysis in bytes of text per second: `cargo bench -p tercet-text`.
//!
//! TERCET_BENCH_TEXT names a UTF-8 file to read instead of the paragraphs below.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tercet_text::{Analyzer, utf16_offsets};

const ENGLISH: &str = "The flow in the boundary layer of a flat plate becomes turbulent when small disturbances grow \
faster than viscosity can damp them. Engineers who measured this transition found that roughness, noise and heating all \
move it upstream; none of the early theories had predicted how strongly. In 1958, a wind tunnel's turbulence of 0.1 per \
cent halved the distance. Later experiments, carried out in free flight, gave values that no laboratory had reached.\n";

const GERMAN: &str = "Die Strömung in der Grenzschicht einer ebenen Platte wird turbulent, wenn kleine Störungen \
schneller wachsen, als die Zähigkeit sie dämpfen kann. Rauigkeit, Lärm und Wärme verschieben den Übergang; über die \
Größe dieser Einflüsse wussten die frühen Theorien nichts. Spätere Messungen im Flug ergaben größere Längen.\n";

const RUSSIAN: &str = "Течение в пограничном слое плоской пластины становится турбулентным, когда малые возмущения \
растут быстрее, чем их гасит вязкость. Шероховатость, шум и нагрев сдвигают переход вверх по потоку.\n";

const JAPANESE: &str = "平板の境界層の流れは、小さな乱れが粘性による減衰よりも速く成長すると乱流になる。表面の粗さ、騒音、\
加熱はいずれも遷移を上流へ移動させる。1958年の実験ではエンジンの振動も調べられた。\n";

fn bench(c: &mut Criterion) {
    let own = std::env::var("TERCET_BENCH_TEXT").ok().map(|path| std::fs::read_to_string(path).unwrap());
    let mut group = c.benchmark_group("analyze");
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    let cases = [
        ("standard", "en", ENGLISH),
        ("english", "en", ENGLISH),
        ("whitespace", "en", ENGLISH),
        ("standard", "de", GERMAN),
        ("german", "de", GERMAN),
        ("standard", "ru", RUSSIAN),
        ("russian", "ru", RUSSIAN),
        ("standard", "ja", JAPANESE),
    ];
    for (name, language, paragraph) in cases {
        let text = own.clone().unwrap_or_else(|| paragraph.repeat(64 * 1024 / paragraph.len()));
        let analyzer = Analyzer::by_name(name).unwrap();
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("{name}/{language}"), |b| {
            b.iter(|| {
                let mut sum = 0;
                analyzer.analyze(black_box(&text), &mut |token| sum += token.term.len());
                sum
            });
        });
    }
    let text = GERMAN.repeat(200);
    let offsets: Vec<u32> = text.char_indices().map(|(at, _)| at as u32).step_by(7).collect();
    group.throughput(Throughput::Bytes(text.len() as u64));
    group
        .bench_function("utf16_offsets", |b| b.iter(|| utf16_offsets(black_box(&text), black_box(&offsets))));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
