"""Final Envoy resources, as Cilium's controller or the compiler gives them → a config for a stock Envoy."""

import copy

HCM = "http_connection_manager"


def _is_ciliums(item):
    config = item.get("typed_config") or {}
    return item.get("name", "").startswith("cilium.") or "/cilium." in config.get("@type", "")


def _strip(filters):
    return [item for item in filters if not _is_ciliums(item)]


def _listener(listener, routes, address):
    """A listener with its routes in place, without Cilium's filters, on an address of ours."""
    listener = copy.deepcopy(listener)
    for field in ("additional_addresses", "transparent", "socket_options", "enable_reuse_port", "bind_to_port"):
        listener.pop(field, None)
    listener["address"] = address
    listener["listener_filters"] = _strip(listener.get("listener_filters", []))
    for chain in listener.get("filter_chains", []):
        chain["filters"] = _strip(chain["filters"])
        for item in chain["filters"]:
            config = item["typed_config"]
            if HCM not in config["@type"]:
                continue
            config["http_filters"] = _strip(config.get("http_filters", []))
            rds = config.pop("rds", None)
            if rds:
                config["route_config"] = routes[rds["route_config_name"]]
    return listener


def _cluster(cluster, endpoints):
    """A cluster with its endpoints in place, without Cilium's upstream filters."""
    cluster = copy.deepcopy(cluster)
    for options in (cluster.get("typed_extension_protocol_options") or {}).values():
        filters = _strip(options.pop("http_filters", []))
        # What is left is the codec that Envoy adds by itself.
        if any("upstream_codec" not in item["name"] for item in filters):
            options["http_filters"] = filters
    if cluster.get("type") == "EDS":
        name = cluster.pop("eds_cluster_config")["service_name"]
        assignment = copy.deepcopy(endpoints.get(name) or {})
        assignment["cluster_name"] = cluster["name"]
        cluster["type"] = "STATIC"
        cluster["load_assignment"] = assignment
    return cluster


def from_resources(resources, address_of, admin_socket):
    """A bootstrap; `address_of(listener)` says where a listener is to listen."""
    routes = {route["name"]: route for route in resources["routes"]}
    endpoints = {item["cluster_name"]: item for item in resources["endpoints"]}
    clusters = [_cluster(cluster, endpoints) for cluster in resources["clusters"]]
    clusters.append(admin_cluster("/envoy-admin", admin_socket))
    listeners = [_listener(item, routes, address_of(item)) for item in resources["listeners"]]
    return {
        "admin": {"address": {"pipe": {"path": admin_socket}}},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }


def admin_cluster(name, admin_socket):
    """The cluster of the administration interface, as Cilium's bootstrap has it."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": admin_socket}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def resources_of(manifest):
    """The resources of a compiled manifest (a list of objects), without any agent between."""
    kinds = {"Listener": "listeners", "RouteConfiguration": "routes", "Cluster": "clusters"}
    out = {"listeners": [], "routes": [], "clusters": [], "endpoints": []}
    for item in manifest:
        for resource in (item.get("spec") or {}).get("resources", []):
            resource = copy.deepcopy(resource)
            kind = resource.pop("@type").rsplit(".", 1)[1]
            out[kinds[kind]].append(resource)
    return out


def socket_address(host, port):
    """`core.v3.Address` of a host and port."""
    return {"socket_address": {"address": host, "port_value": port}}
