// Package ecs stands in for Traefik's provider for Amazon ECS, whose client libraries take a minute to compile.
package ecs

import (
	"errors"

	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/safe"
)

// Provider has no settings, because it provides nothing.
type Provider struct{}

// SetDefaults has nothing to set.
func (p *Provider) SetDefaults() {}

// Init refuses, so that nobody waits for routes that never come.
func (p *Provider) Init() error {
	return errors.New("the provider for Amazon ECS is not in the testbed's Traefik")
}

// Provide is not reached.
func (p *Provider) Provide(chan<- dynamic.Message, *safe.Pool) error {
	return nil
}
