// Package prices holds the costs that Halfpenny computes against calcPrice of
// @pydantic/genai-prices, whose price list the catalogue is made from: the package
// itself charges for random calls, and so do we.
package prices
