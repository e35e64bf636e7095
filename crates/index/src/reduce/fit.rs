//! The reduction that a schema asks for, fitted to points.

use super::{Projection, Reduction, UnitPrefix, leanvec, leanvec_shared, pca, prefix, random_axes};
use crate::IndexError;
use crate::dense::{DenseSpec, Distance, Reduce, Work};
use crate::quant::{Coder, Space};
use crate::sections::reserved;
use crate::values::Values;

/// Vectors, and queries, from which axes are found.
pub(crate) const SAMPLE: usize = 4_096;

/// Fits the reduction that `spec` asks for; `None` where it asks for none or leaves it to the codec. `sample` holds points
/// one after the other, `queries` are vectors as they were given.
pub(crate) fn fit(
    spec: &DenseSpec,
    space: &Space,
    sample: &[f32],
    queries: Option<Values<'_>>,
    work: &Work<'_>,
) -> Result<Option<Reduction>, IndexError> {
    let points = space.points();
    let wanted = |dims: u32| (dims as usize).min(points);
    Ok(Some(match spec.options.reduce {
        Reduce::Auto | Reduce::None => return Ok(None),
        Reduce::Pca(axes) => Reduction::Pca(pca(sample, points, wanted(axes), false, work)?),
        Reduce::LeanVec(axes) => match asked(space, &looks_from(spec, space), queries)? {
            Some(queries) => {
                let found = leanvec(sample, &queries, points, wanted(axes), false, work)?;
                look_from_origin(found, spec, space)
            }
            None => Reduction::Pca(pca(sample, points, wanted(axes), false, work)?),
        },
        Reduce::Prefix(first) => first_of(spec, space, first as usize)?,
        Reduce::Random(axes) => {
            let mut axes = random_axes(points, wanted(axes), spec.options.seed, work)?;
            // Codes carry whole lengths: products are to have their expectation.
            let scale = (points as f32 / axes.reduced as f32).sqrt();
            axes.matrix.iter_mut().for_each(|x| *x *= scale);
            Reduction::Pca(axes)
        }
    }))
}

/// The first components of vectors, of cosine vectors brought back to their length; all where there are fewer.
pub(crate) fn first_of(spec: &DenseSpec, space: &Space, first: usize) -> Result<Reduction, IndexError> {
    let points = space.points();
    let reduced = prefix(points, first.saturating_add(space.added()).min(points))?;
    if spec.metric != Distance::Cosine {
        return Ok(reduced);
    }
    let (mean, length) = space.sphere();
    Ok(Reduction::UnitPrefix(UnitPrefix { mean: mean.take(first).collect(), length, turn: None }))
}

/// Orthonormal axes for data and queries alike, taught by both; the principal ones without queries. The way from the
/// queries' origin to that of the data is the first of them: all queries have it in common, however far they look apart.
pub(crate) fn shared_axes(
    spec: &DenseSpec,
    space: &Space,
    (sample, queries): (&[f32], Option<Values<'_>>),
    axes: usize,
    work: &Work<'_>,
) -> Result<Projection, IndexError> {
    let (points, mut way) = (space.points(), looks_from(spec, space));
    let axes = axes.min(points);
    let Some(mut queries) = asked(space, &way, queries)? else {
        return pca(sample, points, axes, false, work);
    };
    let length = Coder::norm(&way).sqrt();
    if length <= f32::MIN_POSITIVE || axes < 2 {
        return leanvec_shared(sample, &queries, points, axes, work);
    }
    way.iter_mut().for_each(|x| *x /= length);
    let mut beside: Vec<f32> = reserved(sample.len())?;
    beside.extend_from_slice(sample);
    for row in beside.chunks_exact_mut(points).chain(queries.chunks_exact_mut(points)) {
        let along = row.iter().zip(&way).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>() as f32;
        row.iter_mut().zip(&way).for_each(|(x, w)| *x -= along * w);
    }
    let rest = leanvec_shared(&beside, &queries, points, axes - 1, work)?;
    let mut matrix: Vec<f32> = reserved(points.saturating_mul(axes))?;
    for (first, others) in way.iter().zip(rest.matrix.chunks_exact(axes - 1)) {
        matrix.push(*first);
        matrix.extend_from_slice(others);
    }
    Ok(Projection { matrix, reduced: axes, ..rest })
}

/// Queries have another origin than centred points; under the squared distance none is better than another.
fn looks_from(spec: &DenseSpec, space: &Space) -> Vec<f32> {
    let (center, _) = space.sphere();
    if spec.metric == Distance::L2 { vec![0.0; space.points()] } else { center.collect() }
}

fn look_from_origin(mut found: Reduction, spec: &DenseSpec, space: &Space) -> Reduction {
    if let Reduction::LeanVec(pair) = &mut found {
        pair.queries.mean = looks_from(spec, space).into_iter().map(|x| -x).collect();
    }
    found
}

/// Queries as points from an origin, at even distances; `None` where there is none.
fn asked(space: &Space, origin: &[f32], queries: Option<Values<'_>>) -> Result<Option<Vec<f32>>, IndexError> {
    let Some(queries) = queries else { return Ok(None) };
    let elements = queries.dtype().elements(space.dims());
    let there = queries.len() / elements.max(1);
    if there * elements != queries.len() {
        return Err(IndexError::shape(
            "elements of all sample queries",
            (there * elements) as u64,
            queries.len() as u64,
        ));
    }
    let count = there.min(SAMPLE);
    let mut points: Vec<f32> = reserved(count.saturating_mul(space.points()))?;
    let (mut vector, mut point) = (Vec::new(), vec![0.0; space.points()]);
    for at in 0..count {
        let Some(values) = queries.at(at * there / count, elements) else { break };
        values.write_f32(&mut vector);
        space.query(&vector, &mut point);
        points.extend(point.iter().zip(origin).map(|(x, origin)| x + origin));
    }
    Ok((count > 0).then_some(points))
}
