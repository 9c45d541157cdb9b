package tenancy

import (
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

// CheckContext returns a 403 tenant_mismatch where the request claims another
// tenant's context than its key's: by the header X-Tenant-Slug, or by a subdomain
// of baseDomain in the Host header (the port is ignored; a subdomain that is a
// reserved slug, such as www, claims nothing). Empty strings mean absent.
func CheckContext(c *Caller, host, slugHeader, baseDomain string) *llm.Error {
	if claimed := strings.TrimSpace(slugHeader); claimed != "" && claimed != c.Tenant.Slug {
		return errMismatch()
	}
	if claimed := subdomain(host, baseDomain); claimed != "" && !strings.EqualFold(claimed, c.Tenant.Slug) {
		return errMismatch()
	}
	return nil
}

func errMismatch() *llm.Error {
	return &llm.Error{Status: 403, Code: "tenant_mismatch", Message: "The API key belongs to another tenant than the one that the request's host or X-Tenant-Slug names."}
}

// subdomain returns what stands before .baseDomain in host, or "".
func subdomain(host, baseDomain string) string {
	if baseDomain == "" {
		return ""
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	cut := len(host) - len(baseDomain)
	if cut < 2 || host[cut-1] != '.' || !strings.EqualFold(host[cut:], baseDomain) {
		return ""
	}
	label := host[:cut-1]
	if reservedSlug(label) {
		return ""
	}
	return label
}
