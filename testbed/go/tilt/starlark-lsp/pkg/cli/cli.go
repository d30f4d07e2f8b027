// Package cli stands in for Tilt's language server: the command is there and says that this build has none.
package cli

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/tilt-dev/starlark-lsp/pkg/document"
)

// RootCmd is the `lsp` command.
type RootCmd struct {
	*cobra.Command
}

// NewRootCmd makes a command that fails with a plain word.
func NewRootCmd(name string, _ func() fs.FS, _ ...document.ManagerOpt) *RootCmd {
	return &RootCmd{&cobra.Command{
		Use:   name,
		Short: "Language server for Starlark (not in this build)",
		RunE: func(*cobra.Command, []string) error {
			return errors.New("this build of Tilt has no language server")
		},
	}}
}

// NewLogger makes a logger that drops everything.
func NewLogger() (*zap.Logger, func()) {
	return zap.NewNop(), func() {}
}
