// Coredns answers for the names of Services, as in every cluster: CoreDNS with the plugins that
// this takes, and one that knows no other name.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/template"
)

func main() {
	dnsserver.Directives = []string{"errors", "template", "kubernetes"}
	coremain.Run()
}
