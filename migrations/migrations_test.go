package migrations

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "record the migrations that are new")

const landedFile = "testdata/landed.sha256"

// A migration that has landed is never edited: databases have run it, and would
// not run it again. -update adds new ones to the list and changes none.
func TestLandedMigrationsAreNotEdited(t *testing.T) {
	landed := readLanded(t)
	var list bytes.Buffer
	for _, set := range []Set{PostgresPublic, PostgresTenant, SQLiteControl, SQLiteTenant} {
		if set.Latest() == 0 {
			t.Errorf("%s has no migrations", set)
		}
		for _, m := range Load(set) {
			name := string(set) + "/" + m.Name
			sum := sha256.Sum256([]byte(m.SQL))
			got := hex.EncodeToString(sum[:])
			switch want := landed[name]; {
			case want == "" && !*update:
				t.Errorf("%s is not in %s: run with -update", name, landedFile)
			case want != "" && want != got:
				t.Errorf("%s has landed and was edited: write a new migration", name)
			}
			delete(landed, name)
			fmt.Fprintf(&list, "%s  %s\n", got, name)
		}
	}
	for name := range landed {
		t.Errorf("%s has landed and is gone", name)
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(landedFile, list.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func readLanded(t *testing.T) map[string]string {
	t.Helper()
	landed := map[string]string{}
	text, err := os.ReadFile(landedFile)
	if err != nil && !(*update && os.IsNotExist(err)) {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		sum, name, _ := strings.Cut(lines.Text(), "  ")
		landed[name] = sum
	}
	return landed
}
