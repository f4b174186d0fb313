package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The part that mounts volumes on one node.
type nodeServer struct {
	csi.UnimplementedNodeServer
	store                   *store
	node, zone, topologyKey string
}

func (n *nodeServer) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	topology := &csi.Topology{Segments: map[string]string{n.topologyKey: n.zone}}
	return &csi.NodeGetInfoResponse{NodeId: n.node, AccessibleTopology: topology}, nil
}

func (n *nodeServer) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	answer := &csi.NodeGetCapabilitiesResponse{}
	for _, kind := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME,
		csi.NodeServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		rpc := &csi.NodeServiceCapability_RPC{Type: kind}
		answer.Capabilities = append(answer.Capabilities,
			&csi.NodeServiceCapability{Type: &csi.NodeServiceCapability_Rpc{Rpc: rpc}})
	}
	return answer, nil
}

func (n *nodeServer) NodeStageVolume(_ context.Context, request *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	if request.VolumeCapability.GetMount() == nil {
		return nil, status.Error(codes.InvalidArgument, "a volume is a folder: block access is not possible")
	}
	node, err := n.store.attachedTo(request.VolumeId)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if node != n.node {
		return nil, status.Errorf(codes.FailedPrecondition, "%s is not attached here but to %q", request.VolumeId, node)
	}
	if !n.store.exists("volumes", request.VolumeId) {
		return nil, status.Errorf(codes.NotFound, "there is no volume %s", request.VolumeId)
	}
	folder, err := n.store.folder("volumes", request.VolumeId)
	if err == nil {
		err = bind(folder, request.StagingTargetPath, false)
	}
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeStageVolumeResponse{}, nil
}

func (n *nodeServer) NodeUnstageVolume(_ context.Context, request *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	if err := unbind(request.StagingTargetPath); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnstageVolumeResponse{}, nil
}

func (n *nodeServer) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if err := bind(request.StagingTargetPath, request.TargetPath, request.Readonly); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (n *nodeServer) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	err := unbind(request.TargetPath)
	if err == nil {
		err = os.Remove(request.TargetPath)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// Mounts a folder on another, once: calls are repeated.
func bind(folder, target string, readonly bool) error {
	if err := os.MkdirAll(target, 0o750); err != nil {
		return err
	}
	mounted, err := isMounted(target)
	if err != nil {
		return err
	}
	if !mounted {
		if err := unix.Mount(folder, target, "", unix.MS_BIND, ""); err != nil {
			return &os.PathError{Op: "mount", Path: target, Err: err}
		}
	}
	if readonly {
		return unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	return nil
}

func unbind(target string) error {
	mounted, err := isMounted(target)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil || !mounted {
		return err
	}
	return unix.Unmount(target, 0)
}

// A bind mount on the same device shows in nothing but the mount table's id.
func isMounted(target string) (bool, error) {
	here, err := mountID(target)
	if err != nil {
		return false, err
	}
	above, err := mountID(filepath.Dir(target))
	return here != above, err
}

func mountID(path string) (uint64, error) {
	var stat unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_MNT_ID, &stat)
	if err != nil {
		return 0, &os.PathError{Op: "statx", Path: path, Err: err}
	}
	return stat.Mnt_id, nil
}
