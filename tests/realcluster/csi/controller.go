package main

import (
	"context"
	"sync"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const defaultSize = 1 << 30

// The part that makes, attaches and copies volumes.
type controllerServer struct {
	csi.UnimplementedControllerServer
	store       *store
	freezer     *freezer
	topologyKey string
	// One change at a time: the sidecars repeat calls that took them too long.
	lock sync.Mutex
}

func (c *controllerServer) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	answer := &csi.ControllerGetCapabilitiesResponse{}
	for _, kind := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_PUBLISH_UNPUBLISH_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
		csi.ControllerServiceCapability_RPC_EXPAND_VOLUME,
		// Without it ReadWriteOncePod is refused.
		csi.ControllerServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		rpc := &csi.ControllerServiceCapability_RPC{Type: kind}
		answer.Capabilities = append(answer.Capabilities,
			&csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{Rpc: rpc}})
	}
	return answer, nil
}

func (c *controllerServer) CreateVolume(_ context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	handle := request.Name
	known, err := c.store.facts("volumes", handle)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if !c.store.exists("volumes", handle) {
		known = facts{Name: request.Name, Size: max(request.CapacityRange.GetRequiredBytes(), defaultSize), Made: time.Now()}
		known.Zone = wantedZone(request.AccessibilityRequirements, c.topologyKey)
		if err := c.createFrom(handle, request.VolumeContentSource, &known); err != nil {
			return nil, err
		}
	}
	if known.Size < request.CapacityRange.GetRequiredBytes() {
		return nil, status.Errorf(codes.AlreadyExists, "%s exists with %d bytes", handle, known.Size)
	}
	volume := &csi.Volume{VolumeId: handle, CapacityBytes: known.Size, ContentSource: request.VolumeContentSource}
	if known.Zone != "" {
		volume.AccessibleTopology = []*csi.Topology{{Segments: map[string]string{c.topologyKey: known.Zone}}}
	}
	return &csi.CreateVolumeResponse{Volume: volume}, nil
}

// The facts are written first: a folder that is there is one that is known.
func (c *controllerServer) createFrom(handle string, source *csi.VolumeContentSource, known *facts) error {
	kind, from := "", ""
	switch {
	case source.GetSnapshot() != nil:
		kind, from = "snapshots", source.GetSnapshot().SnapshotId
	case source.GetVolume() != nil:
		kind, from = "volumes", source.GetVolume().VolumeId
	}
	thaw := func() {}
	if kind != "" {
		if !c.store.exists(kind, from) {
			return status.Errorf(codes.NotFound, "there is no %s in %s", from, kind)
		}
		if kind == "volumes" {
			node, err := c.store.attachedTo(from)
			if err != nil {
				return status.Error(codes.Internal, err.Error())
			}
			thaw = c.freezer.freeze(node)
		}
		original, err := c.store.facts(kind, from)
		if err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		known.Size = max(known.Size, original.Size)
		from, _ = c.store.folder(kind, from)
	}
	defer thaw()
	if err := c.store.putFacts("volumes", handle, *known); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if err := c.store.make("volumes", handle, from); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return nil
}

// The first zone that is asked for; the scheduler's choice comes first.
func wantedZone(wanted *csi.TopologyRequirement, key string) string {
	for _, topology := range append(wanted.GetPreferred(), wanted.GetRequisite()...) {
		if zone := topology.Segments[key]; zone != "" {
			return zone
		}
	}
	return ""
}

func (c *controllerServer) DeleteVolume(_ context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	node, err := c.store.attachedTo(request.VolumeId)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if node != "" {
		return nil, status.Errorf(codes.FailedPrecondition, "%s is attached to %s", request.VolumeId, node)
	}
	if err := c.store.remove("volumes", request.VolumeId); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.DeleteVolumeResponse{}, nil
}

func (c *controllerServer) ControllerPublishVolume(_ context.Context, request *csi.ControllerPublishVolumeRequest) (*csi.ControllerPublishVolumeResponse, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if !c.store.exists("volumes", request.VolumeId) {
		return nil, status.Errorf(codes.NotFound, "there is no volume %s", request.VolumeId)
	}
	zone, err := c.store.zone(request.NodeId)
	if err != nil {
		return nil, status.Errorf(codes.NotFound, "there is no node %s", request.NodeId)
	}
	known, err := c.store.facts("volumes", request.VolumeId)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if known.Zone != "" && known.Zone != zone {
		return nil, status.Errorf(codes.FailedPrecondition, "%s is in zone %s, node %s in zone %s", request.VolumeId, known.Zone, request.NodeId, zone)
	}
	node, err := c.store.attach(request.VolumeId, request.NodeId)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if node != request.NodeId {
		return nil, status.Errorf(codes.FailedPrecondition, "%s is attached to %s", request.VolumeId, node)
	}
	return &csi.ControllerPublishVolumeResponse{}, nil
}

func (c *controllerServer) ControllerUnpublishVolume(_ context.Context, request *csi.ControllerUnpublishVolumeRequest) (*csi.ControllerUnpublishVolumeResponse, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	node, err := c.store.attachedTo(request.VolumeId)
	if err == nil && (request.NodeId == "" || request.NodeId == node) {
		err = c.store.detach(request.VolumeId)
	}
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.ControllerUnpublishVolumeResponse{}, nil
}

func (c *controllerServer) ValidateVolumeCapabilities(_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if !c.store.exists("volumes", request.VolumeId) {
		return nil, status.Errorf(codes.NotFound, "there is no volume %s", request.VolumeId)
	}
	confirmed := &csi.ValidateVolumeCapabilitiesResponse_Confirmed{VolumeCapabilities: request.VolumeCapabilities}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: confirmed}, nil
}

func (c *controllerServer) ControllerExpandVolume(_ context.Context, request *csi.ControllerExpandVolumeRequest) (*csi.ControllerExpandVolumeResponse, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	known, err := c.store.facts("volumes", request.VolumeId)
	if err == nil {
		known.Size = max(known.Size, request.CapacityRange.GetRequiredBytes())
		err = c.store.putFacts("volumes", request.VolumeId, known)
	}
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.ControllerExpandVolumeResponse{CapacityBytes: known.Size}, nil
}

func (c *controllerServer) CreateSnapshot(_ context.Context, request *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	handle := request.Name
	known, err := c.store.facts("snapshots", handle)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if c.store.exists("snapshots", handle) {
		if known.Source != request.SourceVolumeId {
			return nil, status.Errorf(codes.AlreadyExists, "%s is a snapshot of %s", handle, known.Source)
		}
		return &csi.CreateSnapshotResponse{Snapshot: snapshot(handle, known)}, nil
	}
	if !c.store.exists("volumes", request.SourceVolumeId) {
		return nil, status.Errorf(codes.NotFound, "there is no volume %s", request.SourceVolumeId)
	}
	volume, err := c.store.facts("volumes", request.SourceVolumeId)
	if err == nil {
		known = facts{Name: request.Name, Size: volume.Size, Source: request.SourceVolumeId, Made: time.Now()}
		err = c.copyAtOnce(handle, known)
	}
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.CreateSnapshotResponse{Snapshot: snapshot(handle, known)}, nil
}

func (c *controllerServer) copyAtOnce(handle string, known facts) error {
	node, err := c.store.attachedTo(known.Source)
	if err != nil {
		return err
	}
	from, err := c.store.folder("volumes", known.Source)
	if err != nil {
		return err
	}
	if err := c.store.putFacts("snapshots", handle, known); err != nil {
		return err
	}
	thaw := c.freezer.freeze(node)
	defer thaw()
	return c.store.make("snapshots", handle, from)
}

func (c *controllerServer) DeleteSnapshot(_ context.Context, request *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if err := c.store.remove("snapshots", request.SnapshotId); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.DeleteSnapshotResponse{}, nil
}

func (c *controllerServer) ListSnapshots(_ context.Context, request *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	all, err := c.store.snapshots()
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	answer := &csi.ListSnapshotsResponse{}
	for handle, known := range all {
		if request.SnapshotId != "" && request.SnapshotId != handle ||
			request.SourceVolumeId != "" && request.SourceVolumeId != known.Source {
			continue
		}
		answer.Entries = append(answer.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: snapshot(handle, known)})
	}
	return answer, nil
}

func snapshot(handle string, known facts) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId: handle, SourceVolumeId: known.Source, SizeBytes: known.Size,
		CreationTime: timestamppb.New(known.Made), ReadyToUse: true,
	}
}
