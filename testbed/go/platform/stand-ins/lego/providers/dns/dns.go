// Package dns stands in for lego's table of some 150 DNS providers: a stand-in cluster gets no public certificates, and
// the clients of those providers are most of what Traefik compiles.
package dns

import (
	"fmt"

	"github.com/go-acme/lego/v4/challenge"
)

// NewDNSChallengeProviderByName knows no provider.
func NewDNSChallengeProviderByName(name string) (challenge.Provider, error) {
	return nil, fmt.Errorf("the DNS provider %q is not in the testbed's Traefik", name)
}
