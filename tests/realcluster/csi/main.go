// A CSI driver for tests: a volume is a folder, a snapshot is a copy of it, and a node mounts both by binding.
//
// One process serves the controller (`--controller`), one serves each node (`--node NAME`); all of one driver share the
// folder `--root`, so it plays the cloud that the disks are in.
package main

import (
	"flag"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

func main() {
	driver := flag.String("driver", "", "name of the driver")
	root := flag.String("root", "", "folder of all volumes and snapshots of this driver")
	endpoint := flag.String("endpoint", "", "socket to serve CSI on")
	controller := flag.Bool("controller", false, "serve the controller")
	cgroup := flag.String("cgroup", "", "name of the cgroup that has one cgroup for each node below it")
	node := flag.String("node", "", "serve the node of this name")
	zone := flag.String("zone", "", "node: the zone it is in")
	topologyKey := flag.String("topology-key", "topology.kubernetes.io/zone", "key of the zone in topologies")
	registry := flag.String("registry", "", "node: folder in which the kubelet looks for plugins")
	order := order{}
	flag.StringVar(&order.make, "make", "", "make the disk or snapshot of this handle, instead of serving")
	flag.StringVar(&order.from, "from", "", "make: as a copy of the disk or snapshot of this handle")
	flag.Int64Var(&order.gib, "gib", 1, "make: its size")
	flag.StringVar(&order.remove, "remove", "", "remove the disk or snapshot of this handle, instead of serving")
	flag.Parse()
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)

	store, err := openStore(*root)
	if err != nil {
		log.Fatal(err)
	}
	if order.make != "" || order.remove != "" {
		if err := order.run(store, *zone); err != nil {
			log.Fatal(err)
		}
		return
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(logged))
	csi.RegisterIdentityServer(server, &identity{driver: *driver})
	if *controller {
		freezer := newFreezer(*cgroup)
		// A driver that was killed in the middle of a snapshot has left the Pods of a node standing still.
		freezer.thawAll()
		csi.RegisterControllerServer(server, &controllerServer{store: store, freezer: freezer, topologyKey: *topologyKey})
	}
	if *node != "" {
		// Clusters that share their disks have nodes of the same names.
		id := *cgroup + "/" + *node
		if err := store.putNode(id, *zone); err != nil {
			log.Fatal(err)
		}
		csi.RegisterNodeServer(server, &nodeServer{store: store, node: id, zone: *zone, topologyKey: *topologyKey})
		go register(filepath.Join(*registry, *driver+"-reg.sock"), &plugin{driver: *driver, endpoint: *endpoint})
	}
	log.Fatal(server.Serve(listen(*endpoint)))
}

// Listens on a socket that a killed process may have left.
func listen(path string) net.Listener {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		log.Fatal(err)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

// Tells the kubelet, which watches the folder of this socket, about the driver.
func register(path string, plugin *plugin) {
	server := grpc.NewServer()
	registration.RegisterRegistrationServer(server, plugin)
	log.Fatal(server.Serve(listen(path)))
}
