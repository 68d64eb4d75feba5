// Program controlplane is one component of a Kubernetes control plane, chosen
// by its first argument.
//
// It links the published components unchanged and adds only one thing: with
// CONTROLPLANE_EXIT_ON_STDIN_CLOSE=1 in its environment it ends as soon as its
// standard input does, so a test that was killed leaves no servers behind.
package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

// exitOnStdinClose names the variable that ties this process to its parent.
const exitOnStdinClose = "CONTROLPLANE_EXIT_ON_STDIN_CLOSE"

// components holds what can be run. kube-controller-manager and kube-scheduler
// would be one line each; they are left out because linking them costs two
// minutes and no test needs them yet.
var components = map[string]func(arguments []string) int{
	"etcd":           runEtcd,
	"kube-apiserver": runAPIServer,
}

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	run, found := components[os.Args[1]]
	if !found {
		usage()
	}
	if os.Getenv(exitOnStdinClose) == "1" {
		go exitWhenStdinEnds()
	}
	os.Exit(run(os.Args[1:]))
}

// runEtcd returns only after etcd has stopped; it takes the component's name
// as argument 0, as a program of that name would.
func runEtcd(arguments []string) int {
	etcdmain.Main(arguments)
	return 0
}

func runAPIServer(arguments []string) int {
	command := apiserver.NewAPIServerCommand()
	command.SetArgs(arguments[1:])
	return cli.Run(command)
}

// exitWhenStdinEnds does not stop the component gracefully: the parent is gone
// and nobody will read what the component kept.
func exitWhenStdinEnds() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	fmt.Fprintln(os.Stderr, "controlplane: standard input closed, so the parent is gone; exiting")
	os.Exit(1)
}

func usage() {
	names := make([]string, 0, len(components))
	for name := range components {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(os.Stderr, "usage: controlplane (%s) [flags]\n", strings.Join(names, "|"))
	os.Exit(2)
}
