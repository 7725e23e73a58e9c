/*
 * The macOS commands A to L with the keys an administrator may set:
 * path, type, whether it must be there, allowed values.  Items of an array
 * have "[]" behind its path; "<Bluetooth>" is the item whose Item says so; a
 * key ANY stands for any key.  From Apple's published schema of macOS 27.
 * Read-only; any thread.
 */
#include "mdm/mdm_catalogue_priv.h"

/* clang-format off */
static const struct mdm_key keys_accountconfiguration[] = {
	{ "SkipPrimarySetupAccountCreation", MDM_TYPE_BOOLEAN, false, NULL },
	{ "SetPrimarySetupAccountAsRegularUser", MDM_TYPE_BOOLEAN, false, NULL },
	{ "PrimaryAccountFullName", MDM_TYPE_STRING, false, NULL },
	{ "PrimaryAccountUserName", MDM_TYPE_STRING, false, NULL },
	{ "DontAutoPopulatePrimaryAccountInfo", MDM_TYPE_BOOLEAN, false, NULL },
	{ "LockPrimaryAccountInfo", MDM_TYPE_BOOLEAN, false, NULL },
	{ "AutoSetupAdminAccounts", MDM_TYPE_ARRAY, false, NULL },
	{ "AutoSetupAdminAccounts[]", MDM_TYPE_DICT, false, NULL },
	{ "AutoSetupAdminAccounts[].shortName", MDM_TYPE_STRING, true, NULL },
	{ "AutoSetupAdminAccounts[].fullName", MDM_TYPE_STRING, false, NULL },
	{ "AutoSetupAdminAccounts[].passwordHash", MDM_TYPE_DATA, false, NULL },
	{ "AutoSetupAdminAccounts[].hidden", MDM_TYPE_BOOLEAN, false, NULL },
	{ "ManagedLocalUserShortName", MDM_TYPE_STRING, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_activensextensions[] = {
	{ "FilterExtensionPoints", MDM_TYPE_ARRAY, false, NULL },
	{ "FilterExtensionPoints[]", MDM_TYPE_STRING, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_certificatelist[] = {
	{ "ManagedOnly", MDM_TYPE_BOOLEAN, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_declarativemanagement[] = {
	{ "Data", MDM_TYPE_DATA, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_deleteuser[] = {
	{ "UserName", MDM_TYPE_STRING, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_deviceinformation[] = {
	{ "Queries", MDM_TYPE_ARRAY, true, NULL },
	{ "Queries[]", MDM_TYPE_STRING, false, 
	    "UDID|ProvisioningUDID|OrganizationInfo|MDMOptions|"
	    "AwaitingConfiguration|iTunesStoreAccountIsActive|"
	    "iTunesStoreAccountHash|DeviceName|OSVersion|"
	    "SupplementalOSVersionExtra|BuildVersion|"
	    "SupplementalBuildVersion|ModelName|Model|ModelNumber|"
	    "IsAppleSilicon|ProductName|SerialNumber|DeviceCapacity|"
	    "AvailableDeviceCapacity|BatteryLevel|HasBattery|"
	    "IsSupervised|IsActivationLockEnabled|"
	    "IsActivationLockSupported|ActiveManagedUsers|"
	    "OSUpdateSettings|LocalHostName|HostName|"
	    "AutoSetupAdminAccounts|SystemIntegrityProtectionEnabled|"
	    "SupportsLOMDevice|PushToken|BluetoothMAC|WiFiMAC|"
	    "EthernetMAC|PINRequiredForEraseDevice|"
	    "PINRequiredForDeviceLock|SupportsiOSAppInstalls|"
	    "SoftwareUpdateDeviceID|DevicePropertiesAttestation|"
	    "EACSPreflight|TimeZone" },
	{ "DeviceAttestationNonce", MDM_TYPE_DATA, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_devicelock[] = {
	{ "Message", MDM_TYPE_STRING, false, NULL },
	{ "PhoneNumber", MDM_TYPE_STRING, false, NULL },
	{ "PIN", MDM_TYPE_STRING, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_erasedevice[] = {
	{ "PIN", MDM_TYPE_STRING, false, NULL },
	{ "ObliterationBehavior", MDM_TYPE_STRING, false, "Default|DoNotObliterate|ObliterateWithWarning|Always" },
	{ 0 },
};

static const struct mdm_key keys_installapplication[] = {
	{ "iTunesStoreID", MDM_TYPE_INTEGER, false, NULL },
	{ "Identifier", MDM_TYPE_STRING, false, NULL },
	{ "Options", MDM_TYPE_DICT, false, NULL },
	{ "Options.PurchaseMethod", MDM_TYPE_INTEGER, false, "0|1" },
	{ "ManifestURL", MDM_TYPE_STRING, false, NULL },
	{ "ManagementFlags", MDM_TYPE_INTEGER, false, "1|4|5" },
	{ "Configuration", MDM_TYPE_DICT, false, NULL },
	{ "Configuration.ANY", MDM_TYPE_ANY, false, NULL },
	{ "ChangeManagementState", MDM_TYPE_STRING, false, "Managed" },
	{ "InstallAsManaged", MDM_TYPE_BOOLEAN, false, NULL },
	{ "iOSApp", MDM_TYPE_BOOLEAN, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_installenterpriseapplication[] = {
	{ "Manifest", MDM_TYPE_DICT, false, NULL },
	{ "Manifest.ANY", MDM_TYPE_ANY, false, NULL },
	{ "ManifestURL", MDM_TYPE_STRING, false, NULL },
	{ "ManifestURLPinningCerts", MDM_TYPE_ARRAY, false, NULL },
	{ "ManifestURLPinningCerts[]", MDM_TYPE_DATA, true, NULL },
	{ "PinningRevocationCheckRequired", MDM_TYPE_BOOLEAN, false, NULL },
	{ "InstallAsManaged", MDM_TYPE_BOOLEAN, false, NULL },
	{ "ManagementFlags", MDM_TYPE_INTEGER, false, "1" },
	{ "Configuration", MDM_TYPE_DICT, false, NULL },
	{ "Configuration.ANY", MDM_TYPE_ANY, false, NULL },
	{ "ChangeManagementState", MDM_TYPE_STRING, false, "Managed" },
	{ "iOSApp", MDM_TYPE_BOOLEAN, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_installmedia[] = {
	{ "iTunesStoreID", MDM_TYPE_INTEGER, false, NULL },
	{ "MediaType", MDM_TYPE_STRING, true, "Book" },
	{ 0 },
};

static const struct mdm_key keys_installprofile[] = {
	{ "Payload", MDM_TYPE_DATA, true, NULL },
	{ 0 },
};

static const struct mdm_key keys_installprovisioningprofile[] = {
	{ "ProvisioningProfile", MDM_TYPE_DATA, true, NULL },
	{ 0 },
};

static const struct mdm_key keys_installedapplicationlist[] = {
	{ "Identifiers", MDM_TYPE_ARRAY, false, NULL },
	{ "Identifiers[]", MDM_TYPE_STRING, false, NULL },
	{ "ManagedAppsOnly", MDM_TYPE_BOOLEAN, false, NULL },
	{ 0 },
};

static const struct mdm_key keys_invitetoprogram[] = {
	{ "ProgramID", MDM_TYPE_STRING, true, "com.apple.cloudvpp" },
	{ "InvitationURL", MDM_TYPE_STRING, true, NULL },
	{ 0 },
};

static const struct mdm_key keys_lomdevicerequest[] = {
	{ "RequestList", MDM_TYPE_ARRAY, true, NULL },
	{ "RequestList[]", MDM_TYPE_DICT, true, NULL },
	{ "RequestList[].DeviceRequestType", MDM_TYPE_STRING, true, "PowerON|PowerOFF|Reset" },
	{ "RequestList[].DeviceRequestUUID", MDM_TYPE_STRING, true, NULL },
	{ "RequestList[].DeviceDNSName", MDM_TYPE_STRING, true, NULL },
	{ "RequestList[].PrimaryIPv6AddressList", MDM_TYPE_ARRAY, true, NULL },
	{ "RequestList[].PrimaryIPv6AddressList[]", MDM_TYPE_STRING, true, NULL },
	{ "RequestList[].SecondaryIPv6AddressList", MDM_TYPE_ARRAY, true, NULL },
	{ "RequestList[].SecondaryIPv6AddressList[]", MDM_TYPE_STRING, true, NULL },
	{ "RequestList[].LOMProtocolVersion", MDM_TYPE_INTEGER, true, NULL },
	{ 0 },
};

const struct mdm_catalogue_row mdm_catalogue_a[] = {
	{ "AccountConfiguration", MDM_HARMLESS, keys_accountconfiguration },
	{ "ActivationLockBypassCode", MDM_HARMLESS, NULL },
	{ "ActiveNSExtensions", MDM_HARMLESS, keys_activensextensions },
	{ "AvailableOSUpdates", MDM_HARMLESS, NULL },
	{ "CancelEnhancedLogCollection", MDM_HARMLESS, NULL },
	{ "CertificateList", MDM_HARMLESS, keys_certificatelist },
	{ "ClearActivationLockBypassCode", MDM_DESTRUCTIVE, NULL },
	{ "ContentCachingInformation", MDM_HARMLESS, NULL },
	{ "DeclarativeManagement", MDM_HARMLESS, keys_declarativemanagement },
	{ "DeleteUser", MDM_DESTRUCTIVE, keys_deleteuser },
	{ "DeviceConfigured", MDM_HARMLESS, NULL },
	{ "DeviceInformation", MDM_HARMLESS, keys_deviceinformation },
	{ "DeviceLock", MDM_ORDER_ONLY, keys_devicelock },
	{ "DisableRemoteDesktop", MDM_HARMLESS, NULL },
	{ "EnableRemoteDesktop", MDM_HARMLESS, NULL },
	{ "EraseDevice", MDM_ORDER_ONLY, keys_erasedevice },
	{ "InstallApplication", MDM_HARMLESS, keys_installapplication },
	{ "InstallEnterpriseApplication", MDM_HARMLESS, keys_installenterpriseapplication },
	{ "InstallMedia", MDM_HARMLESS, keys_installmedia },
	{ "InstallProfile", MDM_HARMLESS, keys_installprofile },
	{ "InstallProvisioningProfile", MDM_HARMLESS, keys_installprovisioningprofile },
	{ "InstalledApplicationList", MDM_HARMLESS, keys_installedapplicationlist },
	{ "InviteToProgram", MDM_HARMLESS, keys_invitetoprogram },
	{ "LOMDeviceRequest", MDM_HARMLESS, keys_lomdevicerequest },
	{ "LOMSetupRequest", MDM_HARMLESS, NULL },
	{ 0 },
};
/* clang-format on */
