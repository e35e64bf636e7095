//! Text analysis as pure functions: words, case, folding, stemming, stop words, positions.
