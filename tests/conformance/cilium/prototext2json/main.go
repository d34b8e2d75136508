// Command prototext2json reads the Envoy resources that Cilium's controller test prints (sections
// of prototext) on stdin and prints them as JSON, one list for each kind.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	_ "github.com/cilium/cilium/pkg/envoy/resource"
	_ "github.com/cilium/proxy/go/cilium/api"
	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/upstream_codec/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// message gives an empty resource of a section's kind, and the kind's name in the output.
func message(kind string) (string, proto.Message) {
	switch kind {
	case "listener":
		return "listeners", &listener.Listener{}
	case "route":
		return "routes", &route.RouteConfiguration{}
	case "clusters":
		return "clusters", &cluster.Cluster{}
	case "endpoints":
		return "endpoints", &endpoint.ClusterLoadAssignment{}
	}
	return "", nil
}

func main() {
	out := map[string][]json.RawMessage{"listeners": {}, "routes": {}, "clusters": {}, "endpoints": {}}
	var header string
	var body strings.Builder
	flush := func() {
		kind, _, _ := strings.Cut(header, ":")
		name, resource := message(kind)
		if resource == nil {
			return
		}
		if err := prototext.Unmarshal([]byte(body.String()), resource); err != nil {
			fail(header, err)
		}
		text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(resource)
		if err != nil {
			fail(header, err)
		}
		out[name] = append(out[name], text)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		line := lines.Text()
		if line != "" && line[0] != ' ' {
			flush()
			header = line
			body.Reset()
			continue
		}
		body.WriteString(line + "\n")
	}
	flush()
	text, err := json.Marshal(out)
	if err != nil {
		fail("output", err)
	}
	fmt.Println(string(text))
}

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
	os.Exit(1)
}
