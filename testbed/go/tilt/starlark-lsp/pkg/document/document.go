// Package document is what Tilt names of the language server's documents.
package document

import (
	"os"

	"go.lsp.dev/uri"
)

// Manager would hold the open documents.
type Manager struct{}

// ManagerOpt would set how a Manager reads.
type ManagerOpt func(*Manager)

// WithReadDocumentFunc ignores its argument.
func WithReadDocumentFunc(func(uri.URI) ([]byte, error)) ManagerOpt { return func(*Manager) {} }

// WithResolveURIFunc ignores its argument.
func WithResolveURIFunc(func(uri.URI) (string, error)) ManagerOpt { return func(*Manager) {} }

// ReadDocument reads a file.
func ReadDocument(u uri.URI) ([]byte, error) { return os.ReadFile(u.Filename()) }

// ResolveURI names a file.
func ResolveURI(u uri.URI) (string, error) { return u.Filename(), nil }
