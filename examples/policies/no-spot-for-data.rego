# Where disks are, no pool consists of machines that the cloud may take back at any time.
package kompox

deny contains {"address": a.address, "msg": "is a Spot pool beside apps with disks"} if {
	some a in input.actions
	a.kind == "node-pool"
	a.after.properties.scaleSetPriority == "Spot"
	some other in input.actions
	other.kind == "PersistentVolumeClaim"
}
