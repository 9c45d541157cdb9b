package pricing

import (
	_ "embed"
	"fmt"
	"sync"
)

//go:generate npm ci --prefix prices --ignore-scripts --no-audit --no-fund --prefer-offline
//go:generate node prices/dump.mjs prices/node_modules/genai-prices.json
//go:generate go run ./prices -genai prices/node_modules/genai-prices.json -models-dev ../../shared/models/models-dev.json -livebench ../../shared/models/livebench_2026_01_08.csv -aider ../../shared/models/aider_polyglot.yml

//go:embed catalogue.json
var catalogueJSON []byte

// Embedded returns the catalogue that was built into the program.
var Embedded = sync.OnceValue(func() *Catalogue {
	c, err := Parse(catalogueJSON)
	if err != nil {
		panic(fmt.Sprintf("BUG: the embedded catalogue: %v", err))
	}
	return c
})
