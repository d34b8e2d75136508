// Command registry prints the protobuf registry that a Cilium release's agent decodes resources
// with, as a FileDescriptorSet of what a routing policy can need.
package main

import (
	"fmt"
	"os"
	"sort"

	_ "github.com/cilium/cilium/pkg/envoy/resource"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The messages that a resource can be, or hold as an Any. One that a release lacks is left out,
// and so cannot be decoded with its set.
var roots = []protoreflect.FullName{
	"envoy.config.listener.v3.Listener",
	"envoy.config.route.v3.RouteConfiguration",
	"envoy.config.cluster.v3.Cluster",
	"envoy.config.endpoint.v3.ClusterLoadAssignment",
	"envoy.config.route.v3.FilterConfig",
	"envoy.extensions.access_loggers.file.v3.FileAccessLog",
	"envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
	"envoy.extensions.filters.http.cors.v3.Cors",
	"envoy.extensions.filters.http.cors.v3.CorsPolicy",
	"envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
	"envoy.extensions.filters.http.router.v3.Router",
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
	"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
	"envoy.extensions.load_balancing_policies.maglev.v3.Maglev",
	"envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash",
	"envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
	"envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig",
	"envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor",
	"envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
	"envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
}

func main() {
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(file protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		imports := file.Imports()
		paths := make([]protoreflect.FileDescriptor, 0, imports.Len())
		for i := 0; i < imports.Len(); i++ {
			paths = append(paths, imports.Get(i).FileDescriptor)
		}
		sort.Slice(paths, func(i, j int) bool { return paths[i].Path() < paths[j].Path() })
		for _, dependency := range paths {
			add(dependency)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	for _, root := range roots {
		descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(root)
		if err != nil {
			fmt.Fprintf(os.Stderr, "not linked: %s\n", root)
			continue
		}
		add(descriptor.ParentFile())
	}
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if _, err := os.Stdout.Write(bytes); err != nil {
		os.Exit(1)
	}
}
