// Command parser-1.14 reads CiliumEnvoyConfigs as Cilium 1.14.0's agent does. Each argument is a
// JSON file with a list of objects; for each file a line of JSON says what was kept and what went
// wrong.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/cilium/cilium/pkg/envoy"
	v2 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	"github.com/cilium/cilium/pkg/node"
)

// ports stands in for the agent's allocator of listener ports.
type ports struct{}

func (ports) AllocateProxyPort(string, bool, bool) (uint16, error) { return 10000, nil }
func (ports) AckProxyPort(context.Context, string) error            { return nil }
func (ports) ReleaseProxyPort(string) error                         { return nil }

type summary struct {
	File      string   `json:"file"`
	Listeners []string `json:"listeners"`
	Routes    []string `json:"routes"`
	Clusters  []string `json:"clusters"`
	Problems  []string `json:"problems"`
}

func read(file string) summary {
	out := summary{File: file, Listeners: []string{}, Routes: []string{}, Clusters: []string{}, Problems: []string{}}
	text, err := os.ReadFile(file)
	if err != nil {
		out.Problems = append(out.Problems, err.Error())
		return out
	}
	var objects []v2.CiliumEnvoyConfig
	if err := json.Unmarshal(text, &objects); err != nil {
		out.Problems = append(out.Problems, err.Error())
		return out
	}
	for _, object := range objects {
		for i, resource := range object.Spec.Resources {
			// The agent passes over what it cannot decode, and says so only in its log.
			if resource.Any == nil || resource.GetTypeUrl() == "" {
				out.Problems = append(out.Problems, fmt.Sprintf("%s: resource %d does not decode", object.Name, i))
			}
		}
		parsed, err := envoy.ParseResources(object.Namespace, object.Name, object.Spec.Resources, true, ports{}, len(object.Spec.Services) > 0, true)
		if err != nil {
			out.Problems = append(out.Problems, fmt.Sprintf("%s: %v", object.Name, err))
			continue
		}
		for _, r := range parsed.Listeners {
			out.Listeners = append(out.Listeners, r.Name)
		}
		for _, r := range parsed.Routes {
			out.Routes = append(out.Routes, r.Name)
		}
		for _, r := range parsed.Clusters {
			out.Clusters = append(out.Clusters, r.Name)
		}
	}
	return out
}

func main() {
	// The parser asks the local node for its addresses.
	node.SetTestLocalNodeStore()
	for _, file := range os.Args[1:] {
		line, err := json.Marshal(read(file))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(string(line))
	}
}
