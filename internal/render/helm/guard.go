package helm

import (
	"fmt"
	"regexp"
	"slices"
	"text/template/parse"
)

// The functions that guards call. No chart can know them, as their names are refused in its text.
const (
	callTurn  = "setpointTurn"
	callEnter = "setpointEnter"
	callLeave = "setpointLeave"
	callPrint = "setpointPrint"
	callMade  = "setpointMade"
)

// opening finds what may open a block, also in comments and texts, where it opens none: it is a bound and no count.
var (
	opening = regexp.MustCompile(`(?:\{\{-?\s*|else\s+)(?:if|range|with|block|define|else)\b`)
	ours    = regexp.MustCompile(`\bsetpoint(?:Turn|Enter|Leave|Print|Made)\b`)
)

// compile parses a template and guards it: each turn of a loop and each template that is used takes from the budget, whatever it does,
// and so does what is printed or made by methods. Line and column stay those of the text.
func compile(name, text string, functions map[string]any, l limits) (map[string]*parse.Tree, error) {
	if len(text) > l.source {
		return nil, refusal{fmt.Sprintf("a template is longer than %d MiB", l.source>>20)}
	}
	if len(opening.FindAllStringIndex(text, l.blocks+1)) > l.blocks {
		return nil, refusal{fmt.Sprintf("a template opens more than %d blocks", l.blocks)}
	}
	if word := ours.FindString(text); word != "" {
		return nil, refusal{fmt.Sprintf("function %q not defined", word)}
	}
	trees, err := parse.Parse(name, text, "", "", functions, builtins)
	if err != nil {
		return nil, err
	}
	for _, tree := range trees {
		g := guard{tree}
		root := tree.Root
		if parse.IsEmptyTree(root) {
			continue // as an empty definition it gives way to another of its name
		}
		g.list(root)
		root.Nodes = slices.Concat([]parse.Node{g.action(root.Pos, callEnter)}, root.Nodes, []parse.Node{g.action(root.Pos, callLeave)})
	}
	return trees, nil
}

// guard changes one tree.
type guard struct{ tree *parse.Tree }

func (g guard) list(list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		g.node(node)
	}
}

func (g guard) node(node parse.Node) {
	switch n := node.(type) {
	case *parse.ActionNode:
		g.pipe(n.Pipe)
		if len(n.Pipe.Decl) == 0 {
			n.Pipe.Cmds = append(n.Pipe.Cmds, g.command(n.Pos, callPrint))
		}
	case *parse.TemplateNode:
		g.pipe(n.Pipe)
	case *parse.IfNode:
		g.branch(&n.BranchNode)
	case *parse.WithNode:
		g.branch(&n.BranchNode)
	case *parse.RangeNode:
		g.branch(&n.BranchNode)
		n.List.Nodes = slices.Insert(n.List.Nodes, 0, parse.Node(g.action(n.Pos, callTurn)))
	}
}

func (g guard) branch(n *parse.BranchNode) {
	g.pipe(n.Pipe)
	g.list(n.List)
	g.list(n.ElseList)
}

// pipe counts what methods make, which are no functions that could be wrapped.
func (g guard) pipe(pipe *parse.PipeNode) {
	if pipe == nil {
		return
	}
	var commands []*parse.CommandNode
	for _, command := range pipe.Cmds {
		for i, arg := range command.Args {
			switch n := arg.(type) {
			case *parse.PipeNode:
				g.pipe(n)
			case *parse.ChainNode:
				if inner, ok := n.Node.(*parse.PipeNode); ok {
					g.pipe(inner)
				}
			}
			if i > 0 && isMethod(arg) {
				command.Args[i] = g.around(arg)
			}
		}
		commands = append(commands, command)
		if isMethod(command.Args[0]) {
			commands = append(commands, g.command(command.Pos, callMade))
		}
	}
	pipe.Cmds = commands
}

// around makes an argument a pipeline of its own: (argument | made).
func (g guard) around(arg parse.Node) *parse.PipeNode {
	first := &parse.CommandNode{NodeType: parse.NodeCommand, Pos: arg.Position(), Args: []parse.Node{arg}}
	return &parse.PipeNode{
		NodeType: parse.NodePipe, Pos: arg.Position(),
		Cmds: []*parse.CommandNode{first, g.command(arg.Position(), callMade)},
	}
}

func (g guard) action(at parse.Pos, function string) *parse.ActionNode {
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Pos: at, Cmds: []*parse.CommandNode{g.command(at, function)}}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: at, Pipe: pipe}
}

func (g guard) command(at parse.Pos, function string) *parse.CommandNode {
	name := parse.NewIdentifier(function).SetTree(g.tree).SetPos(at)
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: at, Args: []parse.Node{name}}
}

// methods are those of values in templates that make something of more than a few bytes.
var methods = []string{"Get", "GetBytes", "Glob", "Lines", "AsConfig", "AsSecrets", "YAML", "Format", "AsMap", "Table", "PathValue"}

func isMethod(node parse.Node) bool {
	var path []string
	switch n := node.(type) {
	case *parse.FieldNode:
		path = n.Ident
	case *parse.VariableNode:
		path = n.Ident[1:]
	case *parse.ChainNode:
		path = n.Field
	}
	return slices.ContainsFunc(path, func(name string) bool { return slices.Contains(methods, name) })
}

// builtins are the functions that text/template has by itself, by their names.
var builtins = map[string]any{
	"and": 0, "call": 0, "eq": 0, "ge": 0, "gt": 0, "html": 0, "index": 0, "js": 0, "le": 0, "len": 0, "lt": 0,
	"ne": 0, "not": 0, "or": 0, "print": 0, "printf": 0, "println": 0, "slice": 0, "urlquery": 0,
}
