module kilter/testbed/tilt

go 1.26.0

require github.com/tilt-dev/tilt v0.37.6

replace github.com/emicklei/go-restful/v3 => github.com/emicklei/go-restful/v3 v3.9.0

replace github.com/pkg/browser => github.com/tilt-dev/browser v0.0.1

// The editor's language server is the one part that needs a C compiler, and minutes of it; the testbed has no editor.
replace github.com/tilt-dev/starlark-lsp => ./starlark-lsp

replace github.com/tilt-dev/tilt => ./source
