//go:build tools

package tools

import (
	_ "github.com/fluxcd/kustomize-controller"
	_ "github.com/fluxcd/notification-controller"
	_ "github.com/fluxcd/source-controller"
	_ "github.com/traefik/traefik/v3/cmd/traefik"
	_ "sigs.k8s.io/metrics-server/cmd/metrics-server"
)
