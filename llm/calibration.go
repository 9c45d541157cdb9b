package llm

// CalibrationRow is what has been learned of the tokens that a model counts in one
// kind of text, compared with the estimate. Bias and Spread are in log space.
type CalibrationRow struct {
	Model, Kind string
	Bias        float64 // e^Bias tokens are reported for one that is estimated
	Spread      float64 // 99 % of the reports are at most e^Spread times that
	Samples     int64   // reports that it rests on
}
