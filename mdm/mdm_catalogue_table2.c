/*
 * The macOS commands M to Z with the keys an administrator may set:
 * path, type, whether it must be there, allowed values.  Items of an array
 * have "[]" behind its path; "<Bluetooth>" is the item whose Item says so; a
 * key ANY stands for any key.  From Apple's published schema of macOS 27.
 * Read-only; any thread.
 */
#include "mdm/mdm_catalogue_priv.h"

/* clang-format off */
static const struct mdm_key keys_managedapplicationconfiguration[] = {
	{ "Identifiers", MDM_TYPE_ARRAY, true, NULL },
	{ "Identifiers[]", MDM_TYPE_STRING, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_managedapplicationfeedback[] = {
	{ "Identifiers", MDM_TYPE_ARRAY, true, NULL },
	{ "Identifiers[]", MDM_TYPE_STRING, false, NULL },
	{ "DeleteFeedback", MDM_TYPE_BOOLEAN, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_managedapplicationlist[] = {
	{ "Identifiers", MDM_TYPE_ARRAY, false, NULL },
	{ "Identifiers[]", MDM_TYPE_STRING, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_profilelist[] = {
	{ "ManagedOnly", MDM_TYPE_BOOLEAN, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_provisioningprofilelist[] = {
	{ "ManagedOnly", MDM_TYPE_BOOLEAN, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_removeapplication[] = {
	{ "Identifier", MDM_TYPE_STRING, true, NULL },
	{ 0 },
};

static const struct mdm_key keys_removeprofile[] = {
	{ "Identifier", MDM_TYPE_STRING, true, NULL },
	{ 0 },
};

static const struct mdm_key keys_removeprovisioningprofile[] = {
	{ "UUID", MDM_TYPE_STRING, true, NULL },
	{ 0 },
};

static const struct mdm_key keys_requestmirroring[] = {
	{ "DestinationName", MDM_TYPE_STRING, false, NULL },
	{ "DestinationDeviceID", MDM_TYPE_STRING, false, NULL },
	{ "ScanTime", MDM_TYPE_INTEGER, false, NULL },
	{ "Password", MDM_TYPE_STRING, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_restartdevice[] = {
	{ "RebuildKernelCache", MDM_TYPE_BOOLEAN, false, NULL },
	{ "KextPaths", MDM_TYPE_ARRAY, false, NULL },
	{ "KextPaths[]", MDM_TYPE_STRING, false, NULL },
	{ "NotifyUser", MDM_TYPE_BOOLEAN, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_rotatefilevaultkey[] = {
	{ "KeyType", MDM_TYPE_STRING, true, "personal|institutional" },
	{ "FileVaultUnlock", MDM_TYPE_DICT, true, NULL },
	{ "FileVaultUnlock.Password", MDM_TYPE_STRING, false, NULL },
	{ "FileVaultUnlock.PrivateKeyExport", MDM_TYPE_DATA, false, NULL },
	{ "FileVaultUnlock.PrivateKeyExportPassword", MDM_TYPE_STRING, false, NULL },
	{ "NewCertificate", MDM_TYPE_DATA, false, NULL },
	{ "ReplyEncryptionCertificate", MDM_TYPE_DATA, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_scheduleosupdate[] = {
	{ "Updates", MDM_TYPE_ARRAY, true, NULL },
	{ "Updates[]", MDM_TYPE_DICT, true, NULL },
	{ "Updates[].ProductKey", MDM_TYPE_STRING, false, NULL },
	{ "Updates[].ProductVersion", MDM_TYPE_STRING, false, NULL },
	{ "Updates[].InstallAction", MDM_TYPE_STRING, true, 
	    "Default|DownloadOnly|InstallASAP|NotifyOnly|InstallLater|"
	    "InstallForceRestart" },
	{ "Updates[].MaxUserDeferrals", MDM_TYPE_INTEGER, false, NULL },
	{ "Updates[].Priority", MDM_TYPE_STRING, false, "Low|High" },
	{ 0 },
};

static const struct mdm_key keys_scheduleosupdatescan[] = {
	{ "Force", MDM_TYPE_BOOLEAN, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_setautoadminpassword[] = {
	{ "GUID", MDM_TYPE_STRING, true, NULL },
	{ "passwordHash", MDM_TYPE_DATA, true, NULL },
	{ 0 },
};

static const struct mdm_key keys_setfirmwarepassword[] = {
	{ "CurrentPassword", MDM_TYPE_STRING, false, NULL },
	{ "NewPassword", MDM_TYPE_STRING, true, NULL },
	{ "AllowOroms", MDM_TYPE_BOOLEAN, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_setrecoverylock[] = {
	{ "CurrentPassword", MDM_TYPE_STRING, false, NULL },
	{ "NewPassword", MDM_TYPE_STRING, true, NULL },
	{ 0 },
};

static const struct mdm_key keys_settings[] = {
	{ "Settings", MDM_TYPE_ARRAY, true, NULL },
	{ "Settings[]<Bluetooth>", MDM_TYPE_DICT, false, NULL },
	{ "Settings[]<Bluetooth>.Item", MDM_TYPE_STRING, true, "Bluetooth" },
	{ "Settings[]<Bluetooth>.Enabled", MDM_TYPE_BOOLEAN, true, NULL },
	{ "Settings[]<ApplicationConfiguration>", MDM_TYPE_DICT, false, NULL },
	{ "Settings[]<ApplicationConfiguration>.Item", MDM_TYPE_STRING, true, "ApplicationConfiguration" },
	{ "Settings[]<ApplicationConfiguration>.Identifier", MDM_TYPE_STRING, true, NULL },
	{ "Settings[]<ApplicationConfiguration>.Configuration", MDM_TYPE_DICT, false, NULL },
	{ "Settings[]<ApplicationConfiguration>.Configuration.ANY", MDM_TYPE_ANY, false, NULL },
	{ "Settings[]<DeviceName>", MDM_TYPE_DICT, false, NULL },
	{ "Settings[]<DeviceName>.Item", MDM_TYPE_STRING, true, "DeviceName" },
	{ "Settings[]<DeviceName>.DeviceName", MDM_TYPE_STRING, true, NULL },
	{ "Settings[]<HostName>", MDM_TYPE_DICT, false, NULL },
	{ "Settings[]<HostName>.Item", MDM_TYPE_STRING, true, "HostName" },
	{ "Settings[]<HostName>.HostName", MDM_TYPE_STRING, true, NULL },
	{ "Settings[]<OrganizationInfo>", MDM_TYPE_DICT, false, NULL },
	{ "Settings[]<OrganizationInfo>.Item", MDM_TYPE_STRING, true, "OrganizationInfo" },
	{ "Settings[]<OrganizationInfo>.OrganizationInfo", MDM_TYPE_DICT, false, NULL },
	{ "Settings[]<OrganizationInfo>.OrganizationInfo.OrganizationName", MDM_TYPE_STRING, true, NULL },
	{ "Settings[]<OrganizationInfo>.OrganizationInfo.OrganizationShortName", MDM_TYPE_STRING, false, NULL },
	{ "Settings[]<OrganizationInfo>.OrganizationInfo.OrganizationAddress", MDM_TYPE_STRING, false, NULL },
	{ "Settings[]<OrganizationInfo>.OrganizationInfo.OrganizationPhone", MDM_TYPE_STRING, false, NULL },
	{ "Settings[]<OrganizationInfo>.OrganizationInfo.OrganizationEmail", MDM_TYPE_STRING, false, NULL },
	{ "Settings[]<OrganizationInfo>.OrganizationInfo.OrganizationMagic", MDM_TYPE_STRING, false, NULL },
	{ "Settings[]<MDMOptions>", MDM_TYPE_DICT, false, NULL },
	{ "Settings[]<MDMOptions>.Item", MDM_TYPE_STRING, true, "MDMOptions" },
	{ "Settings[]<MDMOptions>.MDMOptions", MDM_TYPE_DICT, true, NULL },
	{ "Settings[]<MDMOptions>.MDMOptions.ActivationLockAllowedWhileSupervised", MDM_TYPE_BOOLEAN, false, NULL },
	{ "Settings[]<MDMOptions>.MDMOptions.BootstrapTokenAllowed", MDM_TYPE_BOOLEAN, false, NULL },
	{ "Settings[]<MDMOptions>.MDMOptions.PromptUserToAllowBootstrapTokenForAuthentication", MDM_TYPE_BOOLEAN, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_triggerenhancedlogcollection[] = {
	{ "AppleCareToken", MDM_TYPE_STRING, true, NULL },
	{ 0 },
};

static const struct mdm_key keys_unlockuseraccount[] = {
	{ "UserName", MDM_TYPE_STRING, true, NULL },
	{ 0 },
};

static const struct mdm_key keys_verifyfirmwarepassword[] = {
	{ "Password", MDM_TYPE_STRING, true, NULL },
	{ 0 },
};

static const struct mdm_key keys_verifyrecoverylock[] = {
	{ "Password", MDM_TYPE_STRING, true, NULL },
	{ 0 },
};

const struct mdm_catalogue_row mdm_catalogue_m[] = {
	{ "ManagedApplicationConfiguration", MDM_HARMLESS, keys_managedapplicationconfiguration },
	{ "ManagedApplicationFeedback", MDM_HARMLESS, keys_managedapplicationfeedback },
	{ "ManagedApplicationList", MDM_HARMLESS, keys_managedapplicationlist },
	{ "NSExtensionMappings", MDM_HARMLESS, NULL },
	{ "OSUpdateStatus", MDM_HARMLESS, NULL },
	{ "ProfileList", MDM_HARMLESS, keys_profilelist },
	{ "ProvisioningProfileList", MDM_HARMLESS, keys_provisioningprofilelist },
	{ "RemoveApplication", MDM_HARMLESS, keys_removeapplication },
	{ "RemoveProfile", MDM_DESTRUCTIVE, keys_removeprofile },
	{ "RemoveProvisioningProfile", MDM_HARMLESS, keys_removeprovisioningprofile },
	{ "RequestMirroring", MDM_HARMLESS, keys_requestmirroring },
	{ "RestartDevice", MDM_HARMLESS, keys_restartdevice },
	{ "RotateFileVaultKey", MDM_DESTRUCTIVE, keys_rotatefilevaultkey },
	{ "ScheduleOSUpdate", MDM_HARMLESS, keys_scheduleosupdate },
	{ "ScheduleOSUpdateScan", MDM_HARMLESS, keys_scheduleosupdatescan },
	{ "SecurityInfo", MDM_HARMLESS, NULL },
	{ "SetAutoAdminPassword", MDM_DESTRUCTIVE, keys_setautoadminpassword },
	{ "SetFirmwarePassword", MDM_DESTRUCTIVE, keys_setfirmwarepassword },
	{ "SetRecoveryLock", MDM_DESTRUCTIVE, keys_setrecoverylock },
	{ "Settings", MDM_HARMLESS, keys_settings },
	{ "ShutDownDevice", MDM_HARMLESS, NULL },
	{ "StopMirroring", MDM_HARMLESS, NULL },
	{ "TriggerEnhancedLogCollection", MDM_HARMLESS, keys_triggerenhancedlogcollection },
	{ "UnlockUserAccount", MDM_HARMLESS, keys_unlockuseraccount },
	{ "UserList", MDM_HARMLESS, NULL },
	{ "VerifyFirmwarePassword", MDM_HARMLESS, keys_verifyfirmwarepassword },
	{ "VerifyRecoveryLock", MDM_HARMLESS, keys_verifyrecoverylock },
	{ 0 },
};

const char *const mdm_catalogue_all[] = {
	"AccountConfiguration",
	"ActivationLockBypassCode",
	"ActiveNSExtensions",
	"AvailableOSUpdates",
	"CancelEnhancedLogCollection",
	"CertificateList",
	"ClearActivationLockBypassCode",
	"ContentCachingInformation",
	"DeclarativeManagement",
	"DeleteUser",
	"DeviceConfigured",
	"DeviceInformation",
	"DeviceLock",
	"DisableRemoteDesktop",
	"EnableRemoteDesktop",
	"EraseDevice",
	"InstallApplication",
	"InstallEnterpriseApplication",
	"InstallMedia",
	"InstallProfile",
	"InstallProvisioningProfile",
	"InstalledApplicationList",
	"InviteToProgram",
	"LOMDeviceRequest",
	"LOMSetupRequest",
	"ManagedApplicationConfiguration",
	"ManagedApplicationFeedback",
	"ManagedApplicationList",
	"NSExtensionMappings",
	"OSUpdateStatus",
	"ProfileList",
	"ProvisioningProfileList",
	"RemoveApplication",
	"RemoveProfile",
	"RemoveProvisioningProfile",
	"RequestMirroring",
	"RestartDevice",
	"RotateFileVaultKey",
	"ScheduleOSUpdate",
	"ScheduleOSUpdateScan",
	"SecurityInfo",
	"SetAutoAdminPassword",
	"SetFirmwarePassword",
	"SetRecoveryLock",
	"Settings",
	"ShutDownDevice",
	"StopMirroring",
	"TriggerEnhancedLogCollection",
	"UnlockUserAccount",
	"UserList",
	"VerifyFirmwarePassword",
	"VerifyRecoveryLock",
	NULL,
};
/* clang-format on */
